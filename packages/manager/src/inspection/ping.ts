// How long a packet takes through a connection, and beside it from node to node.

import { randomBytes } from 'node:crypto';
import { type admin, forwarder as fw, NsmError, tunnelNames } from '@nsm/api';
import { echoHeaders, probeFrom, requireSender } from '../sender.js';
import type { Connection } from '../state/connection.js';
import { wordsOf } from '../untrusted-text.js';
import type { InspectionComponents } from './components.js';
import { knownConnection } from './halves.js';

type Leg = Omit<admin.PingLeg, '$typeName' | '$unknown'>;

export interface PingReport {
  readonly path: string;
  readonly through: Leg;
  readonly underlay?: Leg;
  readonly lost: string;
}

/** Bytes that tell one round's answers from another's. */
const markSize = 24;

/**
 * A round of packets.
 * @param timeoutMs within which an answer counts. @param size bytes of the packet through the connection; 0: a small one.
 * @throws NsmError `not-found`, `dataplane` where this node has no device to send by, `invalid` for a size that does not fit.
 */
export async function pingConnection(
  components: InspectionComponents,
  id: string,
  timeoutMs: number,
  size: number,
): Promise<PingReport> {
  const connection = knownConnection(components, id);
  const [through, underlay] = await Promise.all([
    size > 0
      ? packetOfSize(components, connection, timeoutMs, size)
      : throughConnection(components, connection, timeoutMs),
    connection.crossConnect.tunnel && fromNodeToNode(components, connection, timeoutMs),
  ]);
  const lost = through.answered ? '' : await whereLost(components, connection, underlay);
  return { path: pathOf(components, connection), through, ...(underlay ? { underlay } : {}), lost };
}

export function pathOf(
  { self }: InspectionComponents,
  { crossConnect: { tunnel }, peer }: Connection,
): string {
  if (tunnel) return `${tunnelNames[tunnel.type]} ${tunnel.identifier}, ${peer?.manager}`;
  return peer ? `the physical network, ${peer.manager}` : `${self.name} alone`;
}

/**
 * ICMP, as an application's packets go; where that is not answered, address resolution, which every interface of a kernel answers.
 * @throws NsmError `dataplane` where this node has no device to send by.
 */
export async function throughConnection(
  { forwarder }: Pick<InspectionComponents, 'forwarder'>,
  connection: Connection,
  timeoutMs: number,
): Promise<Leg> {
  const sender = requireSender(connection);
  const { side, port } = sender;
  const [to = ''] = port.peerAddresses;
  const from = `${side} ${port.name}`;
  const resolution = to.includes(':') ? 'ND' : 'ARP';
  if (to === '') return { from, to, method: '', answered: false, roundTripMs: 0 };
  const { ECHO, NEIGHBOUR } = fw.ProbeMethod;
  const ask = (method: fw.ProbeMethod) =>
    probeFrom(forwarder, sender, connection, { timeoutMs, method, payload: randomBytes(markSize) });
  const echo = await ask(ECHO);
  if (echo.answered) return { from, to, method: 'ICMP', ...answerOf(echo) };
  return { from, to, method: resolution, ...answerOf(await ask(NEIGHBOUR)) };
}

/** ICMP alone: address resolution, the other way to an answer, has packets of one size. */
async function packetOfSize(
  { forwarder }: Pick<InspectionComponents, 'forwarder'>,
  connection: Connection,
  timeoutMs: number,
  size: number,
): Promise<Leg> {
  const sender = requireSender(connection);
  const { side, port } = sender;
  const least = echoHeaders(sender) + markSize;
  if (size < least || size > port.mtu)
    throw new NsmError('invalid', `a packet through this connection has ${least} to ${port.mtu} bytes`);
  const payload = Buffer.alloc(size - echoHeaders(sender));
  payload.set(randomBytes(markSize));
  const method = fw.ProbeMethod.ECHO;
  const echo = await probeFrom(forwarder, sender, connection, { timeoutMs, method, payload });
  const [to = ''] = port.peerAddresses;
  return { from: `${side} ${port.name}`, to, method: `ICMP, ${size} bytes`, ...answerOf(echo) };
}

/** ICMP; where that is not answered, a call of the other manager, whose own time counts, too. */
async function fromNodeToNode(
  { forwarder, peers, self }: InspectionComponents,
  { crossConnect, peer }: Connection,
  timeoutMs: number,
): Promise<Leg> {
  const { local = '', remote = '' } = crossConnect.tunnel ?? {};
  const payload = randomBytes(markSize);
  const echo = await forwarder.probe({
    crossConnect,
    timeoutMs,
    method: fw.ProbeMethod.UNDERLAY_ECHO,
    payload,
  });
  const ends = { from: local, to: remote };
  if (echo.answered || !peer) return { ...ends, method: 'ICMP', ...answerOf(echo) };
  const askedAt = performance.now();
  const answered = await peers.check(peer, self.name, [], timeoutMs).then(
    () => true,
    () => false,
  );
  return { ...ends, method: 'gRPC', answered, roundTripMs: answered ? performance.now() - askedAt : 0 };
}

function answerOf({
  answered,
  elapsedUs,
}: Pick<fw.ProbeReply, 'answered' | 'elapsedUs'>): Pick<Leg, 'answered' | 'roundTripMs'> {
  return { answered, roundTripMs: elapsedUs / 1000 };
}

async function whereLost(
  { peers, self }: InspectionComponents,
  { peer, phase }: Connection,
  underlay: Leg | undefined,
): Promise<string> {
  const trace = '"nsm trace" follows a packet to where it is dropped';
  if (!peer) return `the other pod does not answer; ${trace}`;
  if (underlay && !underlay.answered)
    return `node ${peer.manager} (${underlay.to}) answers nothing: the nodes do not reach each other`;
  const told = await peers.check(peer, self.name, [], 1000).catch(() => undefined);
  const troubled = told?.troubled.find(({ connectionId }) => connectionId === peer.connectionId);
  if (troubled) return `between the nodes packets pass, and on node ${peer.manager}: ${wordsOf(troubled)}`;
  const reason = 'reason' in phase ? `; ${phase.reason}` : '';
  return `the nodes reach each other, and the other pod does not answer through the tunnel${reason}; ${trace}`;
}
