// Finds out by trying whether this kernel lets a vhost-user device be in a program that may not touch its driver's memory.
import { SharedMemory } from '@nsm/netlink';
import { anyMemory, type MemoryShare } from '../tap/memory-shares.js';
import { DeviceRing } from './device-ring.js';
import { DriverMemory } from './driver-memory.js';

/** The descriptor did not come over a socket: the memory closes it itself, and the driver must not close it as well. */
const ownMemory: MemoryShare = { ...anyMemory, letGo: () => undefined };

/** @returns what is missing and why, or '' when it works. */
export function tryVhost(): string {
  const size = 4096;
  try {
    using memory = SharedMemory.create('nsm-vhost', size);
    const driver = new DriverMemory([{ guest: 0, size, user: 0, offset: 0 }], [memory.fd], ownMemory);
    try {
      new DeviceRing(driver, 2, { index: 0, descriptors: 0, available: 64, used: 128 }).close();
      return '';
    } finally {
      driver.close();
    }
  } catch (error) {
    return `the rings of a vhost-user driver cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
  }
}
