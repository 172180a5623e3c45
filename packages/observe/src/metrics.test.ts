// Metrics in the text format of Prometheus: what strangers choose stays within its quotes, and its number within bounds.
import { describe, expect, it } from 'vitest';
import { BoundedNames } from './bounded-names.js';
import { Metrics } from './metrics.js';

const declared = {
  packets: { type: 'counter', name: 'nsm_test_packets_total', help: 'Packets.', labels: ['service'] },
  lag: { type: 'gauge', name: 'nsm_test_lag_seconds', help: 'Lag.' },
  time: { type: 'histogram', name: 'nsm_test_time_seconds', help: 'Time.', buckets: 'steps' },
} as const;

describe('metrics', () => {
  it('are declared once, counted from the first reading on, and read whenever somebody asks', async () => {
    const metrics = new Metrics();
    let lag = 0;
    metrics.add((counted) => {
      const meters = counted.meters(declared);
      counted.beforeEach(() => meters.lag.set(++lag));
      meters.time.observe(0.003);
    });
    expect(lag).toBe(0);
    expect((await metrics.text()).body).toContain('nsm_test_lag_seconds 1\n');
    const { type, body } = await metrics.text();
    expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const line of [
      '# HELP nsm_test_lag_seconds Lag.',
      '# TYPE nsm_test_lag_seconds gauge',
      'nsm_test_lag_seconds 2',
      'nsm_test_time_seconds_bucket{le="0.005"} 1',
      'nsm_test_time_seconds_bucket{le="0.002"} 0',
      'nsm_test_time_seconds_count 1',
    ])
      expect(body.split('\n')).toContain(line);
  });

  it('have one reading for all who ask at the same time, and go on where a reading fails', async () => {
    const metrics = new Metrics();
    let readings = 0;
    metrics.add((counted) => {
      counted.beforeEach(async () => {
        readings++;
        await new Promise((resolve) => setImmediate(resolve));
      });
      counted.beforeEach(() => {
        throw new Error('no forwarder');
      });
    });
    metrics.add((counted) => counted.meters(declared).packets.inc({ service: 'echo' }, 3));
    const all = await Promise.all(Array.from({ length: 50 }, () => metrics.text()));
    expect(readings).toBe(1);
    for (const { body } of all) expect(body).toContain('nsm_test_packets_total{service="echo"} 3');
  });

  it('keep within its quotes whatever a label is', async () => {
    const metrics = new Metrics();
    const hostile = 'a"} 1\nnsm_manager_ready{need="table"} 0\n# \\';
    metrics.add((counted) => counted.meters(declared).packets.inc({ service: hostile }));
    const lines = (await metrics.text()).body.split('\n').filter((line) => /^[^#]*packets|ready/.test(line));
    expect(lines).toEqual([
      'nsm_test_packets_total{service="a\\"} 1\\nnsm_manager_ready{need=\\"table\\"} 0\\n# \\\\"} 1',
    ]);
  });
});

describe('names that others choose', () => {
  it('are told apart up to a bound, and give their places back', () => {
    const names = new BoundedNames(2);
    expect(['a', 'b', 'c', 'a', 'd'].map((name) => names.of(name))).toEqual([
      ...['a', 'b', 'all others', 'a', 'all others'],
    ]);
    expect(names.keepOnly(new Set(['b', 'c']))).toEqual(['a']);
    expect(['c', 'd'].map((name) => names.of(name))).toEqual(['c', 'all others']);
  });
});
