import type { TappedPacket } from '@nsm/netlink';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrderedPackets } from './ordered-packets.js';

const late = 1_000_000n;

function tapOf(packets: readonly (readonly [timeNs: bigint, outgoing?: boolean])[], size = 60) {
  const left = packets.map(
    ([time, outgoing = true]): TappedPacket => ({ time, outgoing, length: size, data: new Uint8Array(size) }),
  );
  return { left, next: () => left.shift() };
}

describe('packets of several devices', () => {
  it('come in the order of time; at the same time, from a pod first, and to a pod last', () => {
    const client = tapOf([[1n], [9n, false]]);
    const underlay = tapOf([[1n], [5n, false], [9n, false]]);
    const ordered = new OrderedPackets(
      [
        { place: 'client', tap: client },
        { place: 'underlay', tap: underlay },
      ],
      () => late + 100n,
    );
    expect(ordered.turn().packets.map(({ point, time }) => `${point}@${time}`)).toEqual([
      '0@1',
      '1@1',
      '1@5',
      '1@9',
      '0@9',
    ]);
  });

  it('wait until nothing earlier can come', () => {
    let now = late + 5n;
    const ordered = new OrderedPackets([{ place: 'client', tap: tapOf([[3n], [7n]]) }], () => now);
    expect(ordered.turn()).toMatchObject({ packets: [{ time: 3n }], untilNs: 5n, isBusy: false });
    now += 5n;
    expect(ordered.turn()).toMatchObject({ packets: [{ time: 7n }], untilNs: 10n });
  });

  it('are never out of order, nor more than a bound, however far one device is behind', () =>
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(1000), { maxLength: 1500 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(60, 9000),
        (times, size) => {
          const taps = times.map((one) =>
            tapOf(
              one.toSorted((a, b) => a - b).map((time) => [BigInt(time)]),
              size,
            ),
          );
          const total = times.flat().length;
          const ordered = new OrderedPackets(
            taps.map((tap) => ({ place: 'client', tap })),
            () => late + 2000n,
          );
          const given: bigint[] = [];
          for (let turns = 0; given.length < total && turns < 2 * total + 2; turns++) {
            const { packets, isBusy } = ordered.turn();
            given.push(...packets.map(({ time }) => time));
            const held = total - given.length - taps.reduce((sum, { left }) => sum + left.length, 0);
            expect(held).toBeLessThanOrEqual(512 * taps.length);
            expect(isBusy || given.length === total).toBe(true);
          }
          expect(given).toHaveLength(total);
          expect(given).toEqual(given.toSorted((a, b) => Number(a - b)));
        },
      ),
    ));
});
