// How a connection is mended that somebody keeps changing: by a clock that the test moves.
import { describe, expect, it } from 'vitest';
import { atOnce, MendPace, mendPauses } from './mend-pace.js';

const { holdsMs, settledMs } = mendPauses;
const address = 'address 10.60.0.1/31 of nsm0 (client)';

/** Somebody undoes it as soon as it is mended, and each mend comes as soon as it may. */
function contest(pace: MendPace, clock: { ms: number }, mends: number): number[] {
  const waits: number[] = [];
  for (let mend = 0; mend < mends; mend++) {
    const wait = pace.waitMs(clock.ms);
    waits.push(wait);
    clock.ms += wait;
    pace.compared([address], 0, clock.ms);
  }
  return waits;
}

function started(): { pace: MendPace; clock: { ms: number } } {
  const clock = { ms: 1_000_000 };
  return { pace: new MendPace(), clock };
}

describe('the pace of mending', () => {
  it('is at once for the first few, then doubles up to its longest', () => {
    const { pace, clock } = started();
    expect(contest(pace, clock, 14)).toEqual([
      ...Array<number>(atOnce).fill(0),
      ...[1, 2, 4, 8, 16, 30, 30, 30, 30].map((seconds) => 1000 * seconds),
    ]);
    expect(mendPauses.longestMs).toBe(30_000);
  });

  it('counts in a row what is forgotten meanwhile, and knows of others', () => {
    const { pace, clock } = started();
    const broken = 'its interface';
    for (const found of [[broken], [broken]]) pace.compared(found, 0, clock.ms);
    expect([pace.times(broken), pace.undoneBeside(broken)]).toEqual([2, false]);
    pace.forget(broken);
    pace.compared([address], 0, clock.ms);
    pace.compared([broken], 0, clock.ms);
    expect([pace.times(broken), pace.undoneBeside(broken)]).toEqual([1, true]);
  });

  it('says what is contested from then on, and that it is news once', () => {
    const { pace, clock } = started();
    const said = Array.from({ length: 12 }, () => {
      clock.ms += pace.waitMs(clock.ms);
      return pace.compared([address], 0, clock.ms);
    });
    expect(said.map(({ contested }) => contested.length)).toEqual([0, 0, 0, 0, ...Array<number>(8).fill(1)]);
    expect(said.filter(({ news }) => news)).toEqual([
      { contested: [{ what: address, times: atOnce }], news: true },
    ]);
    // So that what is told does not change each time.
    expect(said.at(-1)?.contested).toEqual([{ what: address, times: 8 }]);
  });

  it('takes different differences for different meddlings', () => {
    const { pace, clock } = started();
    for (let n = 0; n < 40; n++) {
      expect(pace.waitMs(clock.ms)).toBe(0);
      expect(pace.compared([`route 10.${n}.0.0/16 of nsm0 (client)`], 0, clock.ms).contested).toEqual([]);
    }
  });

  it('calls it settled when a mend has held, and mends at once again when it has held for long', () => {
    const { pace, clock } = started();
    contest(pace, clock, atOnce + 2);
    expect(pace.lookAgainMs(clock.ms)).toBe(settledMs);
    clock.ms += settledMs - 1;
    expect(pace.compared([], 0, clock.ms).contested).toEqual([{ what: address, times: atOnce }]);
    clock.ms += 1;
    expect(pace.compared([], 0, clock.ms).contested).toEqual([]);
    // Whoever comes back after a short while is known.
    expect(pace.compared([address], 0, clock.ms)).toEqual({
      contested: [{ what: address, times: 8 }],
      news: false,
    });
    expect(pace.waitMs(clock.ms)).toBeGreaterThan(0);
    clock.ms += holdsMs;
    expect(pace.compared([], 0, clock.ms).contested).toEqual([]);
    expect(contest(pace, clock, atOnce)).toEqual(Array<number>(atOnce).fill(0));
  });

  it('catches what only the rounds of comparing find', () => {
    const { pace, clock } = started();
    const contested = Array.from({ length: atOnce }, () => {
      clock.ms += 30_000;
      return pace.compared(['MTU of nsm0 (client)'], 0, clock.ms).contested.length;
    });
    expect(contested.at(-1)).toBe(1);
  });

  it('is at once whenever long enough has passed', () => {
    const { pace, clock } = started();
    for (let n = 0; n < 3 * atOnce; n++) {
      clock.ms += holdsMs;
      expect(pace.waitMs(clock.ms)).toBe(0);
      expect(pace.compared([address], 0, clock.ms).contested).toEqual([]);
    }
  });

  it('leaves the forwarder most of its time, however often nothing is found', () => {
    const { pace, clock } = started();
    pace.compared([], 50, clock.ms);
    expect(pace.waitMs(clock.ms)).toBe(200);
    clock.ms += 200;
    expect(pace.waitMs(clock.ms)).toBe(0);
    pace.compared([], 5000, clock.ms);
    expect(pace.waitMs(clock.ms)).toBe(1000);
  });
});
