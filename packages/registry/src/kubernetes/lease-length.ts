// How long the managers of a mesh hold their Leases: the more there are, the longer, so that their renewals stay the API server's small change.

/** Renewals in a second that a mesh makes at most, before leases are doubled: as the kubelets of a thousand nodes do. */
const mostPerSecond = 100;
/** Renewals within a lease. */
export const renewalsPerLease = 3;

/**
 * @param leaseMs that a manager asks for, milliseconds. @param managers that the mesh has.
 * @param before what the manager holds; it is shortened again only when there are clearly fewer managers.
 * @returns milliseconds: `leaseMs`, doubled as often as it takes.
 */
export function leaseLength(leaseMs: number, managers: number, before: number = leaseMs): number {
  const fits = (length: number, count: number): boolean =>
    (count * renewalsPerLease * 1000) / length <= mostPerSecond;
  let length = leaseMs;
  while (!fits(length, managers)) length *= 2;
  return length < before && !fits(length, managers * 1.25) ? Math.min(before, length * 2) : length;
}
