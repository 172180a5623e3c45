// How large frames may be: those that must fit into a peer's buffers, and those that do not.
import { libc } from '@nsm/netlink';

/** Bytes of Ethernet header with two VLAN tags (IEEE 802.1ad). */
const frameOverhead = 22;

/** Bytes of the largest frame of a connection. @param mtu bytes of its largest IP packet. */
export function largestFrame(mtu: number): number {
  return mtu + frameOverhead;
}

/** A TAP device gives no larger frame. */
const bytes = Buffer.allocUnsafeSlow(65_536);

/**
 * The last piece of what a frame is read into: where the rest of one goes that is too large for the peer, to be dropped whole and
 * not cut. What it holds nobody reads.
 */
export const spill: { readonly bytes: Buffer; readonly address: number } = {
  // Memory that nobody refers to is given away, whatever its address is used for.
  bytes,
  address: Number(libc.addressOf(bytes)),
};
