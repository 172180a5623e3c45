// A device gets its alias only after it was made. Until then its group tells whose it is, should the forwarder die meanwhile.
import { createHash } from 'node:crypto';

/** Above what people use for groups (IFLA_GROUP), and apart from the reaper's. */
const lowest = 0x4000_0000;

/**
 * The group of devices that are being made by one manager on one node.
 * @param id of a cross-connect, MANAGER:NODE-CONNECTION, or what such ids begin with, MANAGER:NODE-.
 */
export function unfinishedGroup(id: string): number {
  const owner = id.slice(0, id.lastIndexOf('-') + 1);
  return lowest + (createHash('sha256').update(owner).digest().readUInt32LE() & 0x1fff_ffff);
}
