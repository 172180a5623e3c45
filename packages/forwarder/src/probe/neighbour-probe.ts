// Finds out whether a connection carries packets: they go to the other side by it, and the other side answers (ARP or ND).
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { type forwarder as fw, NsmError, tunnelNames } from '@nsm/api';
import { type NeighbourFlag, NetlinkError, type RouteSocket } from '@nsm/netlink';
import { peersOf } from '../port/open-port.js';
import type { Device, OpenPorts } from '../port/wiring.js';

/** Milliseconds for which a look follows another as soon as the thread has nothing else to do: a healthy tunnel answers within. */
const lookBusilyMs = 1;
/** Milliseconds between later looks at the neighbour table. */
const lookAgainAfterMs = [1, 2, 5, 10, 20, 50];
/** Milliseconds after which an unanswered question is asked again; the kernel itself waits a second. */
export const askAgainAfterMs = 100;
/**
 * The kernel does not count such entries to those of all pods of the machine (net.ipv4.neigh.default.gc_thresh3), of which one pod
 * could leave none to others, and keeps them until their device goes. Each change of an entry has to say it again.
 */
const uncounted: NeighbourFlag = 'externallyLearned';

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
  const deadline = performance.now() + timeoutMs;
  const pause = pauseBetweenLooks();
  let askedAt = ask(socket, device, address);
  for (;;) {
    if (socket.neighbour(address, device)?.state === 'reachable') return true;
    const now = performance.now();
    if (now >= deadline || signal.aborted) return false;
    if (now - askedAt >= askAgainAfterMs) askedAt = ask(socket, device, address);
    await pause();
  }
}

/** Pauses that grow, and begin with none while an answer may come at once. */
export function pauseBetweenLooks(): () => Promise<void> {
  const startedAt = performance.now();
  let pauses = 0;
  return async () => {
    if (performance.now() - startedAt < lookBusilyMs) await immediate();
    else await sleep(lookAgainAfterMs[Math.min(pauses++, lookAgainAfterMs.length - 1)]);
  };
}

/**
 * What the kernel has resolved already it resolves anew while packets go on (NUD_PROBE); it asks each time the entry enters that
 * state. What is not resolved is forgotten first, because it would wait a second before it asks again.
 */
export function ask(socket: RouteSocket, device: number, address: string): number {
  const known = socket.neighbour(address, device);
  if (known?.mac === undefined) {
    if (known) forgetNeighbour(socket, device, address);
    socket.addNeighbour({ address, device, state: 'none', flags: ['use', uncounted] }, { replace: true });
  } else {
    const { mac } = known;
    for (const state of ['stale', 'probe'] as const)
      unlessGone(() =>
        socket.addNeighbour({ address, device, mac, state, flags: [uncounted] }, { replace: true }),
      );
  }
  return performance.now();
}

/** Makes the entry that the first packet will need, and asks nothing. An entry that is there already stays as it is. */
export function reserveNeighbour(socket: RouteSocket, device: number, address: string): void {
  try {
    socket.addNeighbour({ address, device, state: 'none', flags: [uncounted] });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error;
  }
}

/** So that the next packet asks at once, where the kernel would wait a second. */
export function restartNeighbour(socket: RouteSocket, device: number, address: string): void {
  forgetNeighbour(socket, device, address);
  reserveNeighbour(socket, device, address);
}

function forgetNeighbour(socket: RouteSocket, device: number, address: string): void {
  unlessGone(() => socket.deleteNeighbour({ address, device }));
}

/** What may keep two pods that reach each other from answering for these addresses. */
export function askWhySilent(addresses: readonly string[]): string {
  return addresses.every((address) => address.includes(':'))
    ? 'does a firewall of either pod drop neighbour discovery (ICMPv6 types 135 and 136)?'
    : 'does a firewall of either pod, or its arp_ignore, keep it from asking and answering by ARP?';
}

function unlessGone(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'ENOENT')) throw error;
  }
}

/**
 * Waits until every pod of a cross-connect on this node has heard from the other side.
 * @param obstacles what others have put in the way of tunnels, for the error.
 * @throws NsmError `no-packets` when nothing comes back in time.
 */
export async function requireAnswer(
  { answerWithinMs, tunnel }: fw.CrossConnect,
  devices: readonly Device[],
  ports: OpenPorts,
  signal: AbortSignal,
  obstacles: () => readonly string[],
): Promise<void> {
  const asked = devices.flatMap(({ side, index }) => {
    const open = ports[side];
    return open ? peersOf(open).map((peer) => ({ peer, index, socket: open.socket })) : [];
  });
  const answers = await Promise.all(
    asked.map(({ peer, index, socket }) => resolvesNeighbour(socket, index, [peer], answerWithinMs, signal)),
  );
  const silent = asked.filter((_, at) => !answers[at]).map(({ peer }) => peer);
  if (silent.length === 0) return;
  const who = silent.join(' and ');
  if (!tunnel) {
    const { pool } = Object.values(ports)[0]?.port.parameters ?? {};
    const question =
      pool === undefined
        ? ` for ${who}; ${askWhySilent(silent)}`
        : `; are all devices of pool "${pool}" in one physical network?`;
    throw new NsmError(
      'no-packets',
      `nothing came back from the other pod within ${answerWithinMs} ms${question}`,
    );
  }
  const { local, remote, port, type } = tunnel;
  // Answers for other addresses came by the same tunnel.
  if (silent.length < asked.length)
    throw new NsmError(
      'no-packets',
      `the tunnel carries packets, and the other pod did not answer within ${answerWithinMs} ms when asked who has ${who}; ${askWhySilent(silent)}`,
    );
  const inTheWay = obstacles().map(
    (what) => `; ${what} runs before the mesh's programs and may end the way of its packets`,
  );
  const passage = port
    ? `is UDP port ${port} open between the two nodes`
    : `does the network between the two nodes let ${tunnelNames[type]} through`;
  throw new NsmError(
    'no-packets',
    `the tunnel carries no packets: nothing came back from ${remote} to ${local} within ${answerWithinMs} ms for ${who}; ${passage}?${inTheWay.join('')}`,
  );
}
