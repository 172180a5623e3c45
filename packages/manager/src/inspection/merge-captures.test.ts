import { create, toBinary } from '@bufbuild/protobuf';
import { capture } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { aheadNs } from './capture.js';
import { type CaptureSource, mergeCaptures } from './merge-captures.js';

const point = (place: string) => create(capture.PointSchema, { place });
const source = (
  places: string[],
  ahead: bigint,
  messages: readonly {
    readonly until: bigint;
    readonly packets: readonly (readonly [point: number, time: bigint])[];
  }[],
): CaptureSource => ({
  points: places.map(point),
  aheadNs: ahead,
  messages: (async function* () {
    for (const { until, packets } of messages)
      yield create(capture.CapturedSchema, {
        untilNs: until,
        dropped: [until],
        packets: packets.map(([index, timeNs]) => ({ point: index, timeNs })),
      });
  })(),
});

async function all(...sources: CaptureSource[]): Promise<{ order: string[]; dropped: unknown }> {
  const order: string[] = [];
  let dropped: unknown;
  for await (const message of mergeCaptures(sources)) {
    for (const packet of message.packets ?? []) order.push(`${packet.point}@${packet.timeNs}`);
    dropped = message.dropped ?? dropped;
  }
  return { order, dropped };
}

describe('captures of two nodes', () => {
  it('become one in the order of time, by one clock', async () => {
    const one = source(['client', 'underlay'], 0n, [
      {
        until: 10n,
        packets: [
          [0, 3n],
          [1, 9n],
        ],
      },
      { until: 30n, packets: [[0, 21n]] },
    ]);
    // Its clock is 100 ahead.
    const other = source(['endpoint'], 100n, [
      { until: 104n, packets: [[0, 104n]] },
      {
        until: 125n,
        packets: [
          [0, 115n],
          [0, 122n],
        ],
      },
    ]);
    const { order, dropped } = await all(one, other);
    expect(order).toEqual(['0@3', '2@4', '1@9', '2@15', '0@21', '2@22']);
    expect(dropped).toEqual([30n, 0n, 125n]);
  });

  it('take no packet for one of a point that a manager did not name', async () =>
    expect((await all(source(['endpoint'], 0n, [{ until: 1n, packets: [[7, 1n]] }]))).order).toEqual([]));

  it('become messages that gRPC carries, each of which tells how far it is', async () => {
    const data = new Uint8Array(60_000);
    const packets = Array.from({ length: 100 }, (_, index) => ({ point: 0, timeNs: BigInt(index), data }));
    const messages = (async function* () {
      yield create(capture.CapturedSchema, { untilNs: 200n, packets });
    })();
    const told: bigint[] = [];
    let before = 0n;
    let count = 0;
    for await (const message of mergeCaptures([{ points: [point('client')], aheadNs: 0n, messages }])) {
      const some = message.packets ?? [];
      expect(toBinary(capture.CapturedSchema, create(capture.CapturedSchema, message)).length).toBeLessThan(
        2 << 20,
      );
      for (const { timeNs } of some) expect(BigInt(timeNs ?? 0n)).toBeGreaterThanOrEqual(before);
      count += some.length;
      before = BigInt(message.untilNs ?? 0n);
      told.push(before);
    }
    expect(count).toBe(100);
    expect(told.length).toBeGreaterThan(4);
  });

  it('are put right by as much as can be told of another clock', () => {
    const ms = 1_000_000n;
    expect(aheadNs(1005n * ms, 1000, 1010)).toBe(0n);
    expect(aheadNs(5005n * ms, 1000, 1009)).toBe(4000n * ms);
  });
});
