// The clsact qdisc of a device, on which filters stand. The qdisc does nothing by itself, and may be in use by others.
import { type BpfFilterSpec, NetlinkError, type RouteSocket } from '@nsm/netlink';

/** Adds it where the device has none. @throws NetlinkError */
export function addClsact(socket: RouteSocket, device: number): void {
  try {
    socket.addQdisc({ kind: 'clsact', device });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error;
  }
}

/** Puts a filter on a device that is only just made, without a question; can be batched. */
export function filterNew(socket: RouteSocket, filter: BpfFilterSpec): void {
  // Another program that adds a clsact qdisc to every new device may have been quicker.
  socket.addQdisc({ kind: 'clsact', device: filter.device }, { replace: true });
  socket.addFilter(filter, { replace: true });
}
