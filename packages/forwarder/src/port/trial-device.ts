// Finds out whether this kernel and these privileges make a kind of device: one is made, and deleted with all that were tried.
import type { LinkSpec, RouteSocket } from '@nsm/netlink';
import { scaffolding } from './device-groups.js';

/** By kind of device, what came of it. */
const tried = new WeakMap<RouteSocket, Map<string, string>>();

/**
 * Tries a kind once for each socket. What it makes is deleted by `removeScaffolding`, all at once: the kernel waits as long for one.
 * @param describe the device to make, by the name it is to have; a device that is down carries no packets.
 * @returns why the kernel refuses, or ''.
 */
export function tryDevice(socket: RouteSocket, describe: (name: string) => LinkSpec): string {
  const known = tried.get(socket) ?? new Map<string, string>();
  tried.set(socket, known);
  const spec = describe(`nsmp${process.pid}-${known.size}`);
  const outcome = known.get(spec.kind) ?? refusal(socket, spec);
  known.set(spec.kind, outcome);
  return outcome;
}

function refusal(socket: RouteSocket, spec: LinkSpec): string {
  try {
    socket.addLink({ ...spec, group: scaffolding });
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
