// Filters that callers give: what libpcap makes passes, and nothing that has the kernel work long for a packet.
import { encodeFilter, type FilterInstruction } from '@nsm/netlink';
import { describe, expect, it } from 'vitest';
import { validFilter } from './valid-filter.js';

// The ARP and ICMP of libpcap: "arp or icmp".
const usual: readonly FilterInstruction[] = [
  [0x28, 0, 0, 12],
  [0x15, 3, 0, 0x0806],
  [0x15, 0, 3, 0x0800],
  [0x30, 0, 0, 23],
  [0x15, 0, 1, 1],
  [0x06, 0, 0, 0x40000],
  [0x06, 0, 0, 0],
];
const give: FilterInstruction = [0x06, 0, 0, 0xffff_ffff];
const many = (count: number): Buffer =>
  encodeFilter(Array.from({ length: count }, (_, n) => (n === count - 1 ? give : [0x28, 0, 0, 12])));

describe('a filter', () => {
  it.each([
    ['none', Buffer.alloc(0)],
    ['an expression', encodeFilter(usual)],
    ['1024 instructions', many(1024)],
    // That is no load: BPF_LD|BPF_IMM.
    ['a large number', encodeFilter([[0x00, 0, 0, 0xffff_ffff], give])],
  ])('passes: %s', (_, program) => {
    expect(validFilter(program)).toBe(program);
  });

  it.each([
    ['is longer', many(1025)],
    ['has more instructions than the kernel counts', Buffer.alloc(8 * 65_537)],
    ['ends within an instruction', encodeFilter(usual).subarray(0, 12)],
    // SKF_AD_NLATTR and SKF_AD_NLATTR_NEST: 2047 of them are 20 ms of the kernel for each packet.
    ['searches the packet', encodeFilter([[0x20, 0, 0, 0xffff_f00c], give])],
    ['searches the packet in another way', encodeFilter([[0x28, 0, 0, 0xffff_f010], give])],
    ['reads the mark', encodeFilter([[0x30, 0, 0, 0xffff_f014], give])],
  ])('is refused that %s', (_, program) => {
    expect(() => validFilter(program)).toThrowError(expect.objectContaining({ kind: 'invalid' }));
  });
});
