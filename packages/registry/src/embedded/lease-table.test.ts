// Leases run out on time, are renewed, and forgive a process that stood still.
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../compliance/manual-clock.js';
import { LeaseTable } from './lease-table.js';

describe('LeaseTable', () => {
  let clock: ManualClock;
  let leases: LeaseTable;
  let expired: string[];

  beforeEach(() => {
    clock = new ManualClock();
    expired = [];
    leases = new LeaseTable(clock, (name) => expired.push(name));
  });

  it('runs out once, at its time, unless renewed or dropped', () => {
    for (const name of ['silent', 'renewed', 'dropped']) leases.renew(name, 3000);
    clock.advance(2999);
    leases.renew('renewed', 3000);
    leases.drop('dropped');
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toEqual(['silent']);
    expect(leases.has('silent')).toBe(false);
    clock.advance(2998);
    expect(leases.has('renewed')).toBe(true);
    clock.advance(10_000);
    expect(expired).toEqual(['silent', 'renewed']);
  });

  it('grants another lease when the process was suspended', () => {
    leases.renew('node-a', 3000);
    clock.leap(60_000);
    clock.advance(0);
    expect(expired).toEqual([]);
    clock.advance(3000);
    expect(expired).toEqual(['node-a']);
  });
});
