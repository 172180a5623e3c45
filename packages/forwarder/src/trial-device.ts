// Finds out whether this kernel and these privileges make a kind of device: a device is made, and deleted again.
import type { LinkSpec, RouteSocket } from '@nsm/netlink';
import { scaffolding, unlessGone } from './device-groups.js';

/**
 * @param describe the device to make, by the name it is to have; a device that is down carries no packets.
 * @returns why the kernel refuses, or ''.
 */
export function tryDevice(socket: RouteSocket, describe: (name: string) => LinkSpec): string {
  const name = `nsmp${process.pid}`;
  try {
    socket.addLink({ ...describe(name), group: scaffolding });
    unlessGone(() => socket.deleteLink(name));
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
