// Ethernet frames between two pods.
import { parseMac } from '@nsm/netlink';
import type { PodEnd, Version } from './pod-end.js';

const etherTypes = { 4: 0x0800, 6: 0x86dd } as const;

/** An IP packet in its frame. */
export const ethernet = (from: PodEnd, to: PodEnd, version: Version, packet: Uint8Array): Buffer => {
  const type = Buffer.alloc(2);
  type.writeUInt16BE(etherTypes[version]);
  return Buffer.concat([parseMac(to.mac), parseMac(from.mac), type, packet]);
};
