// The captures of one node. Packets wait in the kernel until the reader takes them: a slow reader loses packets, and holds up nobody.
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type capture, type forwarder as fw, NsmError } from '@nsm/api';
import type { RouteSocket, TappedPacket } from '@nsm/netlink';
import { explain } from '../explain.js';
import { validCrossConnect } from '../valid-cross-connect.js';
import { type CapturePoint, openPoints } from './capture-points.js';

type Captured = MessageInitShape<typeof capture.CapturedSchema>;

/** Captures at a time: each may hold 4 MiB of the kernel for each of its points. */
const mostCaptures = 8;
/** Packets and bytes that are read of one point at a turn: other work of the thread waits for some milliseconds at most. */
const packetsAtOnce = 512;
const bytesAtOnce = 128 << 10;
/** Milliseconds between two looks while nothing passes, and after which the reader is told that nothing did. */
const lookAgainMs = 10;
const tellAgainMs = 100;
/** Nanoseconds by which a packet may come later than its time says. */
const lateNs = 1_000_000n;

interface Waiting extends TappedPacket {
  readonly point: number;
  /** Of packets with the same time the one with the lower number was seen first. */
  readonly stage: number;
}

export class Captures {
  readonly #node: RouteSocket;
  #running = 0;

  /** @param node in the node's own network namespace. */
  constructor(node: RouteSocket) {
    this.#node = node;
  }

  /**
   * The points, then packets in the order of their times, until all devices have gone or the signal ends it.
   * @throws NsmError `overload` when there are too many captures, `dataplane` when nothing can be captured.
   */
  async *capture(request: fw.CaptureRequest, signal: AbortSignal): AsyncGenerator<Captured> {
    if (!request.crossConnect) throw new NsmError('invalid', 'no cross-connect is named');
    if (this.#running >= mostCaptures)
      throw new NsmError('overload', `${mostCaptures} captures are running on this node: end one of them`);
    this.#running++;
    let points: readonly CapturePoint[] = [];
    try {
      points = open(this.#node, validCrossConnect(request.crossConnect), request);
      yield { points: points.map(({ told }) => told), untilNs: nowNs() };
      yield* packetsOf(points, signal);
    } finally {
      this.#running--;
      for (const { tap } of points) tap?.[Symbol.dispose]();
    }
  }
}

function open(node: RouteSocket, crossConnect: fw.CrossConnect, request: fw.CaptureRequest): CapturePoint[] {
  try {
    return openPoints(node, crossConnect, request);
  } catch (error) {
    throw explain(error, crossConnect);
  }
}

/** Redirected from one device to the next, a packet keeps its time: it comes from a pod first, and to a pod last. */
function stageOf(place: string, { outgoing }: TappedPacket): number {
  if (place === 'underlay') return 0;
  return place === 'node' ? (outgoing ? 1 : -1) : outgoing ? -2 : 2;
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

async function* packetsOf(points: readonly CapturePoint[], signal: AbortSignal): AsyncGenerator<Captured> {
  if (points.every(({ tap }) => tap === undefined)) return;
  let waiting: Waiting[] = [];
  let toldAt = performance.now();
  while (!signal.aborted) {
    const startedAt = performance.now();
    // What passes while the points are read may be read of one of them now, and of another in the next turn.
    let until = nowNs() - lateNs;
    for (const [point, { told, tap }] of points.entries()) {
      let bytes = 0;
      for (let count = 0; tap && count < packetsAtOnce && bytes < bytesAtOnce; count++) {
        const packet = tap.next();
        if (!packet) break;
        waiting.push({ ...packet, point, stage: stageOf(told.place, packet) });
        bytes += packet.data.length;
        const isLast = count + 1 === packetsAtOnce || bytes >= bytesAtOnce;
        if (isLast && packet.time < until) until = packet.time;
      }
    }
    waiting.sort((a, b) => Number(a.time - b.time) || a.stage - b.stage);
    const ready = waiting.filter(({ time }) => time <= until);
    waiting = waiting.slice(ready.length);
    const readMs = performance.now() - startedAt;
    if (ready.length > 0 || performance.now() - toldAt >= tellAgainMs) {
      toldAt = performance.now();
      yield {
        packets: ready.map(({ time, stage: _, ...packet }) => ({ ...packet, timeNs: time })),
        untilNs: until,
        dropped: points.map(({ tap }) => BigInt(tap?.dropped ?? 0)),
      };
      if (points.every(({ tap }) => tap === undefined || tap.hasGone)) return;
    }
    // Half of the thread at most, however much passes.
    const pauseMs = ready.length >= packetsAtOnce ? Math.max(1, readMs) : lookAgainMs;
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
