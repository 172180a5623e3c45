// The captures of one node. Packets wait in the kernel until the reader takes them: a slow reader loses packets, and holds up nobody.
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type capture, type forwarder as fw, NsmError } from '@nsm/api';
import type { RouteSocket } from '@nsm/netlink';
import { explain } from '../explain.js';
import { validCrossConnect } from '../port/valid-cross-connect.js';
import { type CapturePoint, openPoints } from './capture-points.js';
import { OrderedPackets } from './ordered-packets.js';

type Captured = MessageInitShape<typeof capture.CapturedSchema>;

/** Captures at a time: each may hold 4 MiB of the kernel for each of its points. */
const mostCaptures = 8;
/** Milliseconds between two looks while nothing passes, and after which the reader is told that nothing did. */
const lookAgainMs = 10;
const tellAgainMs = 100;
export class Captures {
  readonly #node: RouteSocket;
  #running = 0;

  /** @param node in the node's own network namespace. */
  constructor(node: RouteSocket) {
    this.#node = node;
  }

  /**
   * The points, then packets in the order of their times, until all devices have gone or the signal ends it.
   * @throws NsmError `invalid` for a filter that may not be, `overload` when there are too many captures, `dataplane` when nothing can be captured.
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

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

async function* packetsOf(points: readonly CapturePoint[], signal: AbortSignal): AsyncGenerator<Captured> {
  if (points.every(({ tap }) => tap === undefined)) return;
  const ordered = new OrderedPackets(
    points.map(({ told: { place }, tap }) => ({ place, ...(tap ? { tap } : {}) })),
    nowNs,
  );
  let toldAt = performance.now();
  while (!signal.aborted) {
    const startedAt = performance.now();
    const { packets, untilNs, isBusy } = ordered.turn();
    const tookMs = performance.now() - startedAt;
    if (packets.length > 0 || performance.now() - toldAt >= tellAgainMs) {
      toldAt = performance.now();
      yield {
        packets: packets.map(({ time, point, outgoing, length, data }) => ({
          point,
          outgoing,
          length,
          data,
          timeNs: time,
        })),
        untilNs,
        dropped: points.map(({ tap }) => BigInt(tap?.dropped ?? 0)),
      };
      if (points.every(({ tap }) => tap === undefined || tap.hasGone)) return;
    }
    // Half of the thread at most, however much passes.
    const pauseMs = isBusy ? Math.max(1, tookMs) : lookAgainMs;
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
