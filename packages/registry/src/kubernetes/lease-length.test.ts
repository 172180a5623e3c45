// The renewals of a mesh, and when leases change.
import { expect, it } from 'vitest';
import { leaseLength } from './lease-length.js';

it('is what a manager asks for in a mesh of a few hundred, and so long in a larger one that renewals stay few', () => {
  expect([1, 100, 333].map((managers) => leaseLength(10_000, managers))).toEqual([10_000, 10_000, 10_000]);
  expect([334, 666, 1000, 5000].map((managers) => leaseLength(10_000, managers))).toEqual([
    20_000, 20_000, 40_000, 160_000,
  ]);
});

it('does not change to and fro with a manager that comes and goes', () => {
  expect(leaseLength(10_000, 333, 20_000)).toBe(20_000);
  expect(leaseLength(10_000, 260, 20_000)).toBe(10_000);
  expect(leaseLength(10_000, 10, 160_000)).toBe(10_000);
});
