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
 * The last piece of the memory that a frame is read into: the rest of a frame that is too large for the peer goes there, so that the
 * frame is dropped whole and not cut. These bytes are never read.
 */
export const spill: { readonly bytes: Buffer; readonly address: number } = {
  // Memory without a reference is given away, whatever its address is used for.
  bytes,
  address: Number(libc.addressOf(bytes)),
};
