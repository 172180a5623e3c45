// Groups of devices (IFLA_GROUP): by them a forwarder knows what was left in the middle of something by one that was killed.
import { createHash } from 'node:crypto';
import { NetlinkBatchError, NetlinkError, type RouteSocket } from '@nsm/netlink';

/** Devices that are to be deleted together: "nsm" and a zero, so that no other program's device is in the group by chance. */
export const removalGroup = 0x6e736d00;
/** Devices that a forwarder makes for itself and deletes soon. */
export const scaffolding = 0x6e736d01;

/** Above what people use, and apart from those above. */
const lowest = 0x4000_0000;

/**
 * The group of devices that are being made for one manager on one node: a device gets its alias only after it was made.
 * @param id of a cross-connect, MANAGER:NODE-CONNECTION, or what such ids begin with, MANAGER:NODE-.
 */
export function unfinishedGroup(id: string): number {
  const owner = id.slice(0, id.lastIndexOf('-') + 1);
  return lowest + (createHash('sha256').update(owner).digest().readUInt32LE() & 0x1fff_ffff);
}

/** Deletes the devices that this forwarder, or a killed one, made for itself. Another forwarder on this node bears the loss of its own. */
export function removeScaffolding(socket: RouteSocket): void {
  unlessGone(() => socket.deleteGroup(scaffolding));
}

/** A device that goes by itself meanwhile, with its other end or its pod, is as good as deleted. @throws all other errors. */
export function unlessGone(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    const errors =
      error instanceof NetlinkBatchError ? error.failures.map(({ error: each }) => each) : [error];
    const other = errors.find((each) => !(each instanceof NetlinkError && each.code === 'ENODEV'));
    if (other !== undefined) throw other;
  }
}
