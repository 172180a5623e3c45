// A packet's way as it was seen, compared with the way that it should have gone.
import type { Side } from '../sender.js';

/** A device at which packets are watched. */
export interface WatchedPoint {
  readonly place: string;
  readonly manager: string;
  readonly interface: string;
}

export interface Sighting {
  readonly point: WatchedPoint;
  readonly timeNs: bigint;
  readonly outgoing: boolean;
  readonly answer: boolean;
  readonly what: string;
}

export interface Stage {
  readonly place: string;
  readonly manager: string;
  readonly outgoing: boolean;
  readonly answer: boolean;
  /** A packet may get on without being seen there. */
  readonly mayBeMissed: boolean;
}

export interface Loss {
  /** The last stage at which it was seen; undefined: at none. */
  readonly after: Stage | undefined;
  readonly before: Stage;
}

/**
 * The way there and back.
 * @param from the side that asks, on `here`.
 * @param there the other node; the same as `here` where both sides are on one.
 */
export function stagesOf(from: Side, here: string, there: string): Stage[] {
  const to: Side = from === 'client' ? 'endpoint' : 'client';
  const ahead = oneWay(from, here, to, there, false);
  return [...ahead, ...oneWay(to, there, from, here, true)];
}

/** What eBPF hands on to a pod passes the node's end of the pod's device by, or does not. */
function oneWay(from: Side, here: string, to: Side, there: string, answer: boolean): Stage[] {
  const stage = (place: string, manager: string, outgoing: boolean, mayBeMissed = false): Stage => ({
    place,
    manager,
    outgoing,
    answer,
    mayBeMissed,
  });
  const [first, last] = [stage(from, here, true), stage(to, there, false)];
  if (here === there) return [first, last];
  return [
    first,
    stage('node', here, false),
    stage('underlay', here, true),
    stage('underlay', there, false),
    stage('node', there, true, true),
    last,
  ];
}

/** The first stage that is watched and at which the packet was not seen, nor at any later one; undefined when it came to the end. */
export function lossOf(
  way: readonly Stage[],
  watched: readonly WatchedPoint[],
  sightings: readonly Sighting[],
): Loss | undefined {
  const seenAt = way.map((stage) => sightings.some((one) => isAt(one, stage)));
  const last = seenAt.lastIndexOf(true);
  const next = way
    .slice(last + 1)
    .find((stage) => !stage.mayBeMissed && watched.some((point) => isOf(point, stage)));
  return next && { after: way[last], before: next };
}

function isAt({ point, outgoing, answer }: Sighting, stage: Stage): boolean {
  return isOf(point, stage) && outgoing === stage.outgoing && answer === stage.answer;
}

function isOf(point: WatchedPoint, { place, manager }: Stage): boolean {
  return point.place === place && point.manager === manager;
}
