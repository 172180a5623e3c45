// What is known not to be as it should be yet: cells of the failure matrix that do not recover (one that begins to fails its
// test until it is taken out here), and what kills leave behind.
import type { Failure } from './failures.js';
import type { Column } from './stage.js';

const open: Readonly<Record<string, readonly string[]>> = {};

export function isOpen({ name }: Failure, column: Column): boolean {
  return open[name]?.includes(column.name) ?? false;
}

const findings: readonly RegExp[] = [
  // Killed between the making of a device and its ifalias.
  /\(no alias\) is left over/,
  // Killed between the first record of a connection and the one with the name that its device got.
  /no device nsm%d for/,
  // Killed in the middle of a remote request: the other manager is not asked afterwards what it knows.
  /has no other half/,
  /do not agree/,
];

/** True for a point at which a killed manager is known to leave something behind. */
export function isOpenFinding(told: string): boolean {
  return findings.some((finding) => finding.test(told));
}
