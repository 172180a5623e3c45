// Ethernet frames between two pods.
import { parseMac } from '@nsm/netlink';
import type { PodEnd, Version } from './pod-end.js';

/** Bytes of an Ethernet header. */
export const linkHeader = 14;
export const etherTypes = { 4: 0x0800, 6: 0x86dd } as const;

/** Any frame; `type` below 1536 is a length (IEEE 802.3). Tags stand in their order, type and number. */
export const frameOf = (
  to: string,
  from: string,
  type: number,
  payload: Uint8Array,
  tags: readonly (readonly [type: number, vlan: number])[] = [],
): Buffer => {
  const words = Buffer.alloc(2 * (2 * tags.length + 1));
  for (const [index, word] of [...tags.flat(), type].entries()) words.writeUInt16BE(word, 2 * index);
  return Buffer.concat([parseMac(to), parseMac(from), words, payload]);
};

/** An IP packet in its frame. */
export const ethernet = (from: PodEnd, to: PodEnd, version: Version, packet: Uint8Array): Buffer =>
  frameOf(to.mac, from.mac, etherTypes[version], packet);
