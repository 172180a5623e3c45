// Finds out whether a connection carries packets: the kernel resolves the other side's address, ARP or ND, through it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { RouteSocket } from '@nsm/netlink';

/** Milliseconds between looks at the neighbour table: a healthy tunnel answers before the first, a slow one within a few. */
const lookAgainAfter = [0.2, 0.5, 1, 2, 5, 10, 20, 50];

/**
 * Asks the kernel to resolve a neighbour (NTF_USE, linux/neighbour.h) and waits until it has. A packet goes out,
 * another comes back, and no firewall rule for IP stands between; the entry is then ready for the first real packet.
 *
 * @param addresses of the other side; the first is asked. None: nothing can be asked, and the answer is true.
 * @param timeoutMs milliseconds until the answer is false.
 */
export async function resolvesNeighbour(
  socket: RouteSocket,
  device: number,
  addresses: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const [address] = addresses;
  if (address === undefined) return true;
  const ask = (): void =>
    socket.addNeighbour({ address, device, state: 'none', flags: ['use'] }, { replace: true });
  ask();
  const deadline = performance.now() + timeoutMs;
  for (let look = 0; ; look++) {
    const state = socket.neighbours({ device }).find((neighbour) => neighbour.address === address)?.state;
    if (state === 'reachable') return true;
    if (performance.now() >= deadline || signal.aborted) return false;
    // The kernel gave up after its own tries: ask again until our time is over.
    if (state === 'failed' || state === undefined) ask();
    await sleep(lookAgainAfter[Math.min(look, lookAgainAfter.length - 1)]);
  }
}
