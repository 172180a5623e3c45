// The packets of one connection as they pass, on this node and on the other.
import { type admin, type capture, type forwarder as fw, NsmError, traitsOf, within } from '@nsm/api';
import { type Connection, isClosed } from '../state/connection.js';
import { oneLine, quote } from '../untrusted-text.js';
import type { InspectionComponents } from './components.js';
import { knownConnection, otherHalf, refusedBy } from './halves.js';
import { type Captured, type CaptureSource, mergeCaptures } from './merge-captures.js';

type CaptureWish = Omit<admin.CaptureConnectionRequest, '$typeName' | '$unknown'>;
type Wish = Pick<fw.CaptureRequest, 'places' | 'filter' | 'snapLength'>;

/** Milliseconds within which another manager begins. */
const answersWithinMs = 2000;

const places = ['client', 'endpoint', 'node', 'underlay'] as const;

/**
 * Until the signal ends it, the connection ends, or its devices have gone.
 * @throws NsmError `not-found`, `invalid`; `dataplane` when nothing can be captured anywhere.
 */
export async function* captureConnection(
  components: InspectionComponents,
  { id, places: asked, bothNodes, filter, snapLength }: CaptureWish,
  signal: AbortSignal,
): AsyncGenerator<Captured> {
  const connection = knownConnection(components, id);
  const named = knownPlaces(asked);
  const wanted = named.length > 0 ? named : [usualPlace(connection)];
  const there = elsewhere(connection, wanted, bothNodes);
  const here = wanted.filter((place) => connection.role === 'LOCAL' || place !== otherSide(connection));
  const end = new AbortController();
  const until = AbortSignal.any([signal, components.stopping, end.signal]);
  const sources: CaptureSource[] = [];
  try {
    const wish = { filter, snapLength };
    if (here.length > 0)
      sources.push(await captureHere(components, connection, { ...wish, places: here }, until));
    if (there.length > 0)
      sources.push(await captureThere(components, connection, { ...wish, places: there }, until));
    const points = sources.flatMap((source) => source.points);
    if (points.every(({ missing }) => missing !== ''))
      throw new NsmError(
        'dataplane',
        `nothing can be captured: ${points.map(({ place, missing }) => `${place}: ${missing}`).join('; ')}`,
      );
    components.logger.info({ connection: id, places: wanted }, 'packets are captured for an operator');
    for await (const captured of mergeCaptures(sources)) {
      yield captured;
      if (!isSame(components, connection)) return;
    }
  } finally {
    end.abort();
  }
}

/** This node's part, for the manager of the other half. */
export async function* captureHalf(
  components: InspectionComponents,
  half: Connection,
  wish: Wish,
  signal: AbortSignal,
): AsyncGenerator<Captured> {
  const until = AbortSignal.any([signal, components.stopping]);
  const { crossConnect } = half;
  for await (const captured of components.forwarder.capture({ ...wish, crossConnect }, { signal: until })) {
    yield captured;
    if (!isSame(components, half)) return;
  }
}

/** Whether the connection is still meant to be, with the same tunnel. */
function isSame({ connections }: InspectionComponents, { id, crossConnect }: Connection): boolean {
  const present = connections.byId(id);
  return (
    present !== undefined &&
    !isClosed(present) &&
    present.crossConnect.tunnel?.identifier === crossConnect.tunnel?.identifier
  );
}

async function captureHere(
  components: InspectionComponents,
  { crossConnect }: Connection,
  wish: Wish,
  signal: AbortSignal,
): Promise<CaptureSource> {
  const messages = components.forwarder
    .capture({ ...wish, crossConnect }, { signal })
    [Symbol.asyncIterator]();
  return await begun(components.self.name, messages, () => 0n);
}

async function captureThere(
  components: InspectionComponents,
  connection: Connection,
  wish: Wish,
  signal: AbortSignal,
): Promise<CaptureSource> {
  const other = otherHalf(components, connection);
  if (!other) throw new NsmError('internal', 'both sides are on this node');
  const { manager } = other.peer;
  const askedAt = Date.now();
  try {
    const stream = components.peers
      .inspection(other.peer)
      .captureHalf({ ...wish, half: other.half }, { signal });
    const messages = stream[Symbol.asyncIterator]();
    const source = begun(manager, messages, (untilNs) => aheadNs(untilNs, askedAt, Date.now()));
    return await within(answersWithinMs, source, () => {
      throw new NsmError('manager-unreachable', `manager ${quote(manager)} does not answer`);
    });
  } catch (thrown) {
    throw refusedBy(manager, thrown);
  }
}

/** @param ahead how far the source's clock is ahead, of what it said that it was when it began. */
async function begun(
  manager: string,
  messages: AsyncIterator<capture.Captured>,
  ahead: (untilNs: bigint) => bigint,
): Promise<CaptureSource> {
  const first = await messages.next();
  if (first.done) throw new NsmError('unavailable', `the capture at manager ${manager} ended at once`);
  // Another manager may say anything.
  const points = first.value.points.slice(0, places.length).map((point) => ({
    ...point,
    manager,
    place: oneLine(point.place),
    interface: oneLine(point.interface),
    missing: oneLine(point.missing),
  }));
  return { messages, points, aheadNs: ahead(first.value.untilNs) };
}

/** How far another node's clock is ahead, as far as that can be told: less than the call took cannot. Times of the call in ms. */
export function aheadNs(thereNs: bigint, askedAt: number, answeredAt: number): bigint {
  const [earliest, latest] = [BigInt(askedAt) * 1_000_000n, BigInt(answeredAt + 1) * 1_000_000n];
  if (thereNs >= earliest && thereNs <= latest) return 0n;
  return thereNs - (earliest + latest) / 2n;
}

/** Each of them once. @throws NsmError `invalid` */
export function knownPlaces(asked: readonly string[]): string[] {
  const unknown = asked.find((place) => !places.some((known) => known === place));
  if (unknown === undefined) return places.filter((place) => asked.includes(place));
  throw new NsmError('invalid', `no place ${quote(unknown)}; places are ${places.join(', ')}`);
}

/** Where a connection begins or ends on this node, as far as there is a device. */
function usualPlace({ role, crossConnect: { client, endpoint } }: Connection): string {
  if (client && traitsOf(client.type).hasDevice) return 'client';
  if (endpoint && traitsOf(endpoint.type).hasDevice) return 'endpoint';
  return role === 'LOCAL' ? 'client' : 'node';
}

function otherSide({ role }: Connection): string | undefined {
  return { LOCAL: undefined, CLIENT: 'endpoint', ENDPOINT: 'client' }[role];
}

function elsewhere(connection: Connection, wanted: readonly string[], bothNodes: boolean): string[] {
  const side = otherSide(connection);
  if (side === undefined) return [];
  return wanted.filter(
    (place) => place === side || (bothNodes && (place === 'node' || place === 'underlay')),
  );
}
