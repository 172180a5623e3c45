// What is declared of metrics, and what the dashboard and the alert rules of deploy/ make of it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Metrics } from '@nsm/observe';
import { describe, expect, it } from 'vitest';
import { allMetrics } from './all-metrics.js';

const deploy = fileURLToPath(new URL('../../../../deploy/', import.meta.url));
const literals = Object.values(allMetrics).flatMap((metrics) => Object.values(metrics));
/** Labels by the name of a series, with those that Prometheus adds. */
const series = new Map(
  literals.flatMap(({ name, type, labels = [] }) => {
    const known = new Set([...labels, 'instance', 'job']);
    if (type !== 'histogram') return [[name, known]];
    return [
      [`${name}_bucket`, new Set([...known, 'le'])],
      [`${name}_sum`, known],
      [`${name}_count`, known],
    ];
  }) as [string, ReadonlySet<string>][],
);

interface Panel {
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync(`${deploy}grafana/nsm-dashboard.json`, 'utf8')) as {
  readonly panels: readonly Panel[];
};
const dashboardExpressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const rules = readFileSync(`${deploy}prometheus/nsm-alerts.yaml`, 'utf8');

describe('metrics', () => {
  it('are called nsm_PART_WHAT_UNIT, once each, and say what they are', () => {
    const names = literals.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type, help, labels = [] } of literals) {
      expect(name).toMatch(/^nsm_(process|manager|forwarder|registry|webhook|signer)(_[a-z]+)+$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(help).toMatch(/^\S.{10,}\.$/s);
      for (const label of labels) expect(label).toMatch(/^[a-z]+$/);
    }
  });

  it.each([
    ['the dashboard', dashboardExpressions],
    ['the alert rules', rules.split('\n').filter((line) => !/^ *(description|summary):/.test(line))],
  ])('that %s names are there, with their labels', (_, expressions) => {
    let named = 0;
    for (const expression of expressions)
      for (const [, name = '', , selector = ''] of expression.matchAll(/\b(nsm_[a-z_]+)\b(\{([^}]*)\})?/g)) {
        const labels = series.get(name);
        expect(labels, `${name} in ${expression}`).toBeDefined();
        for (const [, label] of selector.matchAll(/(\w+)\s*(?:=|!)/g))
          expect([...(labels ?? [])], `${name} in ${expression}`).toContain(label);
        named++;
      }
    expect(named).toBeGreaterThan(10);
  });

  it('are all on the dashboard, but for those that only explain others', () => {
    const shown = dashboardExpressions.join('\n');
    const missing = literals.map(({ name }) => name).filter((name) => !shown.includes(name));
    expect(missing).toEqual([
      'nsm_process_build_info',
      'nsm_process_start_time_seconds',
      'nsm_forwarder_calls_total',
      'nsm_registry_call_duration_seconds',
      'nsm_webhook_review_duration_seconds',
    ]);
  });
});

const promtool = (...args: string[]): string =>
  execFileSync('promtool', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

function hasPromtool(): boolean {
  try {
    promtool('--version');
    return true;
  } catch {
    process.stderr.write(
      'skipped: alert rules, because promtool is not installed (Debian package prometheus)\n',
    );
    return false;
  }
}

describe.skipIf(!hasPromtool())('promtool', () => {
  it('finds the alert rules right, and raised when they should be', () => {
    promtool('check', 'rules', `${deploy}prometheus/nsm-alerts.yaml`);
    expect(promtool('test', 'rules', `${deploy}prometheus/nsm-alerts.test.yaml`)).toContain('SUCCESS');
  });

  it('finds nothing to complain of in what daemons show', async () => {
    const metrics = new Metrics();
    metrics.add((counted) => {
      for (const part of Object.values(allMetrics))
        for (const [key, meter] of Object.entries(counted.meters(part))) {
          const labels = Object.fromEntries((part[key]?.labels ?? []).map((label) => [label, 'any']));
          const count = meter as unknown as Record<'observe' | 'inc', (labels: object, by: number) => void>;
          count[part[key]?.type === 'histogram' ? 'observe' : 'inc'](labels, 1);
        }
    });
    const { body } = await metrics.text();
    expect(body.match(/^# TYPE /gm)).toHaveLength(literals.length);
    // What it complains of is in the error.
    execFileSync('promtool', ['check', 'metrics'], { input: body, stdio: ['pipe', 'pipe', 'pipe'] });
  });

  it('can read what the dashboard asks for', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nsm-rules-'));
    const plain = (expression: string): string =>
      expression.replace(/\$__(rate_interval|range)/g, '5m').replaceAll('$instance', '.*');
    const asked = dashboardExpressions.map((expression, index) => ({
      record: `panel_${index}`,
      expr: plain(expression),
    }));
    const file = join(folder, 'rules.yaml');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: asked }] }));
    try {
      promtool('check', 'rules', '--lint=none', file);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
