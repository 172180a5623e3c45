// Finds out whether a connection carries packets: they go to the other side by it, and the other side answers (ARP or ND).
import { setTimeout as sleep } from 'node:timers/promises';
import { type forwarder as fw, NsmError, tunnelNames } from '@nsm/api';
import { IpPrefix, NetlinkError, type RouteSocket } from '@nsm/netlink';
import type { OpenPort } from './open-port.js';
import type { Device, OpenPorts } from './wiring.js';

/** Milliseconds between looks at the neighbour table: a healthy tunnel answers before the first, a slow one within a few. */
const lookAgainAfter = [0.2, 0.5, 1, 2, 5, 10, 20, 50];
/** Milliseconds after which an unanswered question is asked again; the kernel itself waits a second. */
const askAgainAfter = 100;

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
    if (now - askedAt >= askAgainAfter) askedAt = ask(socket, device, address);
    await sleep(lookAgainAfter[Math.min(look, lookAgainAfter.length - 1)]);
  }
}

/**
 * What the kernel has resolved already it resolves anew while packets go on (NUD_PROBE); it asks each time the entry enters that
 * state. What is not resolved is forgotten first, because it would wait a second before it asks again.
 */
function ask(socket: RouteSocket, device: number, address: string): number {
  const { mac } = socket.neighbour(address, device) ?? {};
  try {
    if (mac === undefined) socket.deleteNeighbour({ address, device });
    else
      for (const state of ['stale', 'probe'] as const)
        socket.addNeighbour({ address, device, mac, state }, { replace: true });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'ENOENT')) throw error;
  }
  if (mac === undefined)
    socket.addNeighbour({ address, device, state: 'none', flags: ['use'] }, { replace: true });
  return performance.now();
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

/**
 * Looks up, as an application's packet would be, which way packets to the other side leave a pod. A pod's own rules and routes may
 * lead them elsewhere, and the question asked of a device alone would not show that.
 * @param device one that carries packets: until then it has no IPv6 routes.
 * @throws NsmError `dataplane`: by which interface they would leave instead.
 */
export function requireWay({ side, index, name }: Device, open: OpenPort): void {
  const { port, socket } = open;
  // One beside another is not the way yet.
  if (port.beside !== '' || port.takesOver !== '') return;
  for (const peer of peersOf(open)) {
    const { type, device } = socket.wayTo(peer);
    if (type === 'unicast' && device === index) continue;
    const other = device === undefined ? undefined : socket.link(device);
    if (other?.alias !== undefined && port.siblings.includes(other.alias)) continue;
    throw new NsmError(
      'dataplane',
      type === 'unicast'
        ? `packets from the ${side}'s pod to ${peer} would leave by ${other?.name ?? `#${device}`} and not by ${name}: remove the pod's route or rule to it, or have the endpoint give other addresses`
        : `the ${side}'s pod has a ${type} route to ${peer}: remove it, or have the endpoint give other addresses`,
    );
  }
}

/** The other side's addresses that this one has an address to speak to from: a member of a bridge has none. */
function peersOf({ port: { addresses, peerAddresses } }: OpenPort): string[] {
  const versions = new Set(addresses.map((own) => IpPrefix.of(own).version));
  return peerAddresses.filter((peer) => versions.has(IpPrefix.ofAddress(peer).version));
}
