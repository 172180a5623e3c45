// What passes through a connection: measured by sockets in both pods, of which the other manager opens the other one.
import { randomBytes } from 'node:crypto';
import { type admin, type forwarder as fw, NsmError } from '@nsm/api';
import type { Connection } from '../state/connection.js';
import type { InspectionComponents } from './components.js';
import { knownConnection, otherHalf, refusedBy, sideOf } from './halves.js';
import { pathOf } from './ping.js';

const secretSize = 16;

type Report = Omit<admin.BenchConnectionReply, '$typeName' | '$unknown'>;
type Ports = Pick<fw.ServeBenchReply, 'address' | 'tcpPort' | 'udpPort'>;

/** @throws NsmError `not-found`; `dataplane` where a side has no device; `overload` while another measurement is under way. */
export async function benchConnection(
  components: InspectionComponents,
  { id, durationMs }: Pick<admin.BenchConnectionRequest, 'id' | 'durationMs'>,
  signal: AbortSignal,
): Promise<Report> {
  const connection = knownConnection(components, id);
  const { crossConnect } = connection;
  const from = sideOf(crossConnect);
  const secret = randomBytes(secretSize);
  const end = new AbortController();
  const until = AbortSignal.any([signal, components.stopping, end.signal]);
  try {
    const serving = answering(components, connection, { durationMs, secret }, until)[Symbol.asyncIterator]();
    const { value } = await serving.next();
    if (!value) throw new NsmError('unavailable', 'the other side does not answer measurements');
    const { address, tcpPort, udpPort } = value;
    const request = { crossConnect, side: from, durationMs, secret, address, tcpPort, udpPort };
    // An external forwarder ends it by itself.
    const report = await components.forwarder.runBench(request, { signal: until, timeoutMs: 10 * 60_000 });
    return { path: pathOf(components, connection), from, report };
  } finally {
    end.abort();
  }
}

async function* answering(
  components: InspectionComponents,
  connection: Connection,
  how: { readonly durationMs: number; readonly secret: Uint8Array },
  signal: AbortSignal,
): AsyncGenerator<Ports, undefined> {
  const other = otherHalf(components, connection);
  if (!other) {
    const { crossConnect } = connection;
    yield* components.forwarder.serveBench({ ...how, crossConnect, side: 'endpoint' }, { signal });
    return undefined;
  }
  try {
    yield* components.peers.inspection(other.peer).serveBench({ ...how, half: other.half }, { signal });
  } catch (thrown) {
    throw refusedBy(other.peer.manager, thrown);
  }
  return undefined;
}

/** Of this node's half, for the manager of the other one. */
export async function* answerBench(
  { forwarder, stopping }: InspectionComponents,
  { crossConnect }: Connection,
  how: { readonly durationMs: number; readonly secret: Uint8Array },
  signal: AbortSignal,
): AsyncGenerator<Ports> {
  const side = sideOf(crossConnect);
  const until = AbortSignal.any([signal, stopping]);
  for await (const { address, tcpPort, udpPort } of forwarder.serveBench(
    { ...how, crossConnect, side },
    { signal: until },
  ))
    yield { address, tcpPort, udpPort };
}
