// Rates and times as traffic control wants them (linux/pkt_sched.h).
import type { AttributeWriter } from '../protocol/attribute-writer.js';

const TC_LINKLAYER_ETHERNET = 1;
// The kernel counts time in 64 ns (include/net/pkt_sched.h, PSCHED_SHIFT).
const NANOSECONDS_PER_TICK = 64;
/** Rates beyond have a 64-bit attribute of their own. */
export const MAXIMUM_RATE = 0xffff_ffff;

/** Writes `struct tc_ratespec`, 12 bytes, at `at`. */
export const writeRate = (writer: AttributeWriter, at: number, bytesPerSecond: number): void => {
  writer.bytes.writeUInt8(TC_LINKLAYER_ETHERNET, at + 1);
  writer.bytes.writeUInt32LE(Math.min(bytesPerSecond, MAXIMUM_RATE), at + 8);
};

/** Time that so many bytes take, in the kernel's ticks. */
export const ticksFor = (bytes: number, bytesPerSecond: number): number =>
  Math.min(Math.ceil((bytes * 1e9) / bytesPerSecond / NANOSECONDS_PER_TICK), MAXIMUM_RATE);
