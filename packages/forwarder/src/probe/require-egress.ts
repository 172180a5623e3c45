// Requires that packets of a pod leave by the connection's device: a packet is sent to the other side as an application would, and
// the kernel tells by which device it left.
import { type forwarder as fw, NsmError, traitsOf } from '@nsm/api';
import { EchoSocket, IpPrefix, NetlinkError } from '@nsm/netlink';
import { explain } from '../explain.js';
import { type OpenPort, peersOf } from '../port/open-port.js';
import type { Device, OpenPorts } from '../port/wiring.js';
import {
  ask,
  askAgainAfterMs,
  askWhySilent,
  pauseBetweenLooks,
  reserveNeighbour,
  restartNeighbour,
} from './neighbour-probe.js';

/** Milliseconds within which the other end of a pair of devices is resolved, however busy the node. */
const pairAnswersWithinMs = 1000;

/**
 * Sends a packet to each peer from an ordinary socket in the pod. Its own rules, routes and packet filters may lead packets elsewhere,
 * and the question asked of a device alone would not show that.
 * @param devices the new ones that packets leave.
 * @throws NsmError `dataplane`: by which interface they would leave instead. `no-packets`: they wait for a neighbour for ever.
 */
export async function requireEgress(
  crossConnect: fw.CrossConnect,
  devices: readonly Device[],
  ports: OpenPorts,
  signal: AbortSignal,
): Promise<void> {
  // Applications behind shared memory answer when they come to it.
  const answers =
    crossConnect.answerWithinMs > 0 ||
    [ports.client, ports.endpoint].every((open) => open && traitsOf(open.port.type).makesPair);
  const patienceMs = answers ? crossConnect.answerWithinMs || pairAnswersWithinMs : 0;
  const ways = devices.flatMap((device) => {
    const open = ports[device.side];
    return open && isWay(open) ? peersOf(open).map((peer): Egress => ({ device, open, peer })) : [];
  });
  // Each before the first packet, which would have the kernel make the other pod's entry.
  for (const { device, open, peer } of ways) reserveNeighbour(open.socket, device.index, peer);
  await Promise.all(ways.map((egress) => tryPeer(egress, patienceMs, signal)));
}

/** A device beside another is not the way yet. */
function isWay({ port }: OpenPort): boolean {
  return port.beside === '' && port.takesOver === '';
}

/** A device of a pod, and an address of the other side to which packets of the pod are to leave by it. */
interface Egress {
  readonly device: Device;
  readonly open: OpenPort;
  readonly peer: string;
}

async function tryPeer(egress: Egress, patienceMs: number, signal: AbortSignal): Promise<void> {
  const { device, open, peer } = egress;
  let source: string | undefined;
  try {
    using echo = EchoSocket.open(open.namespace, IpPrefix.ofAddress(peer));
    source = echo.source();
    const by = await departure(echo, egress, patienceMs, signal);
    if (by !== undefined) return refuseOther(egress, 'unicast', by);
  } catch (error) {
    // A firewall of the pod's, or a route that lets nothing go there: its routes say which.
    if (!(error instanceof NetlinkError)) throw error;
    const { type, device: by } = lookUp(egress, source);
    refuseOther(egress, type, by);
    if (error.code === 'EPERM') return;
    const { kind, message } = explain(error);
    throw new NsmError(kind, `no packet leaves the ${device.side}'s pod for ${peer}: ${message}`, error);
  }
  const { type, device: by } = lookUp(egress, source);
  refuseOther(egress, type, by);
  signal.throwIfAborted();
  // Marks and the like lead packets where no look-up can follow, but the kernel asks for their neighbour there.
  const asking = open.socket
    .neighbours()
    .find(({ address, device: at }) => address === peer && at !== device.index);
  if (asking) refuseOther(egress, 'unicast', asking.device);
  if (patienceMs === 0) restartNeighbour(open.socket, device.index, peer);
  else
    throw new NsmError(
      'no-packets',
      `the other pod did not answer the ${device.side}'s within ${patienceMs} ms when asked who has ${peer}; ${askWhySilent([peer])}`,
    );
}

/** Index of the device that a packet left by; undefined where its neighbour is not known in time. */
async function departure(
  echo: EchoSocket,
  { device: { index }, open: { socket }, peer }: Egress,
  patienceMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const startedAt = performance.now();
  const pause = pauseBetweenLooks();
  let sentAt = startedAt;
  echo.send();
  for (;;) {
    const by = echo.departure()?.device;
    const now = performance.now();
    if (by !== undefined || now - startedAt >= patienceMs || signal.aborted) return by;
    if (now - sentAt >= askAgainAfterMs) {
      sentAt = ask(socket, index, peer);
      echo.send();
    }
    await pause();
  }
}

function lookUp(
  { device: { side }, open: { socket }, peer }: Egress,
  source: string | undefined,
): { readonly type: string; readonly device: number } {
  try {
    return socket.routeTo(peer, source);
  } catch (error) {
    throw new NsmError(
      'dataplane',
      `the ${side}'s pod has no way to ${peer}: remove its rule or route to it, or have the endpoint give other addresses (${NsmError.from(error).message})`,
      error,
    );
  }
}

function refuseOther({ device, open, peer }: Egress, type: string, by: number): void {
  const { side, index, name } = device;
  if (type === 'unicast' && by === index) return;
  const other = open.socket.link(by);
  if (other?.alias !== undefined && open.port.siblings.includes(other.alias)) return;
  throw new NsmError(
    'dataplane',
    type === 'unicast'
      ? `packets from the ${side}'s pod to ${peer} would leave by ${other?.name ?? `#${by}`} and not by ${name}: remove the pod's route or rule to it, or have the endpoint give other addresses`
      : `the ${side}'s pod has a ${type} route to ${peer}: remove it, or have the endpoint give other addresses`,
  );
}
