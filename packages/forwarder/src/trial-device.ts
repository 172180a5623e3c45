// Finds out whether this kernel and these privileges make a kind of device: one is made, and deleted with all that were tried.
import type { LinkSpec, RouteSocket } from '@nsm/netlink';
import { scaffolding } from './device-groups.js';

let tried = 0;

/**
 * What it makes is deleted by `removeScaffolding`, all at once: the kernel waits as long for one.
 * @param describe the device to make, by the name it is to have; a device that is down carries no packets.
 * @returns why the kernel refuses, or ''.
 */
export function tryDevice(socket: RouteSocket, describe: (name: string) => LinkSpec): string {
  try {
    socket.addLink({ ...describe(`nsmp${process.pid}-${++tried % 100}`), group: scaffolding });
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
