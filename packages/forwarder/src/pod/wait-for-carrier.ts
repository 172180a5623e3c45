// A device that has just got its carrier sends nothing yet: it drops all, without a word, until the kernel's link watch has run.
import { setTimeout as pause } from 'node:timers/promises';
import type { RouteSocket } from '@nsm/netlink';

/** Milliseconds between looks, and until the carrier is left to come by itself. */
const patienceMs = { look: 1, all: 1_000 };

/**
 * Waits until what is sent by a device leaves it. A device without carrier is not waited for.
 *
 * Link watch (net/core/link_watch.c) puts the queue of a device into the place of the one that drops all, in its own time: it
 * needs the kernel's lock of all links. From Linux 6.9 on, to ask for the device is enough for it to be done at once.
 *
 * @returns whether packets leave it.
 */
export async function waitForCarrier(
  socket: RouteSocket,
  device: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (let waited = 0; waited < patienceMs.all; waited += patienceMs.look) {
    const link = socket.link(device);
    // Devices without a carrier of their own say `unknown` (Documentation/networking/operstates.rst).
    if (link?.operstate === 'up' || link?.operstate === 'unknown') return true;
    if (!link?.lowerUp) return false;
    await pause(patienceMs.look, undefined, { signal });
  }
  return false;
}
