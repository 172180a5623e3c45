// Finds out whether a connection carries packets: they go to the other side by it, and the other side answers (ARP or ND).
import { setTimeout as sleep } from 'node:timers/promises';
import { type forwarder as fw, NsmError, tunnelNames } from '@nsm/api';
import { NetlinkError, type RouteSocket } from '@nsm/netlink';
import { peersOf } from './open-port.js';
import type { Device, OpenPorts } from './wiring.js';

/** Milliseconds between looks at the neighbour table: a healthy tunnel answers before the first, a slow one within a few. */
const lookAgainAfterMs = [0.2, 0.5, 1, 2, 5, 10, 20, 50];
/** Milliseconds after which an unanswered question is asked again; the kernel itself waits a second. */
export const askAgainAfterMs = 100;

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
  let askedAt = ask(socket, device, address);
  for (let look = 0; ; look++) {
    const entry = socket.neighbours({ device }).find((neighbour) => neighbour.address === address);
    if (entry?.state === 'reachable') return true;
    const now = performance.now();
    if (now >= deadline || signal.aborted) return false;
    if (now - askedAt >= askAgainAfterMs) askedAt = ask(socket, device, address);
    await pauseBeforeLook(look);
  }
}

/** The pause after the first look is that of 0, and so on: short while an answer may come at once. */
export async function pauseBeforeLook(look: number): Promise<void> {
  await sleep(lookAgainAfterMs[Math.min(look, lookAgainAfterMs.length - 1)]);
}

/**
 * What the kernel has resolved already it resolves anew while packets go on (NUD_PROBE); it asks each time the entry enters that
 * state. What is not resolved is forgotten first, because it would wait a second before it asks again.
 */
export function ask(socket: RouteSocket, device: number, address: string): number {
  const { mac } = socket.neighbour(address, device) ?? {};
  if (mac === undefined) forgetNeighbour(socket, device, address);
  else
    for (const state of ['stale', 'probe'] as const)
      unlessGone(() => socket.addNeighbour({ address, device, mac, state }, { replace: true }));
  if (mac === undefined)
    socket.addNeighbour({ address, device, state: 'none', flags: ['use'] }, { replace: true });
  return performance.now();
}

/** So that the next packet asks at once, where the kernel would wait a second. */
export function forgetNeighbour(socket: RouteSocket, device: number, address: string): void {
  unlessGone(() => socket.deleteNeighbour({ address, device }));
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
      pool === undefined ? ` for ${who}` : `; are all devices of pool "${pool}" in one physical network?`;
    throw new NsmError(
      'no-packets',
      `nothing came back from the other pod within ${answerWithinMs} ms${question}`,
    );
  }
  const { local, remote, port, type } = tunnel;
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
