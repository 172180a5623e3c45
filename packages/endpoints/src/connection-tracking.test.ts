// The table of tracked connections: full, not full, without a limit, not there.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { trackingFull } from './connection-tracking.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nsm-tracking-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const kernel = (count: number, max: number): string | undefined => {
  writeFileSync(join(folder, 'nf_conntrack_count'), `${count}\n`);
  writeFileSync(join(folder, 'nf_conntrack_max'), `${max}\n`);
  return trackingFull(folder);
};

it('connection tracking is full at its limit, and says which limit', () => {
  expect(kernel(1000, 1000)).toMatch(
    /keeps track of 1000 connections here .* net\.netfilter\.nf_conntrack_max is 1000; raise it on the host by/,
  );
  expect(kernel(1001, 1000)).toBeDefined();
});

it('connection tracking is not full below its limit, without a limit, and where it is not there', () => {
  expect(kernel(999, 1000)).toBeUndefined();
  expect(kernel(999, 0)).toBeUndefined();
  expect(trackingFull(join(folder, 'none'))).toBeUndefined();
  // This kernel's own.
  expect(trackingFull()).toBeUndefined();
});
