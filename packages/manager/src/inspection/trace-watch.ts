// Sees the packets of a trace come by, at every device on their way that can be watched.
import { setTimeout as sleep } from 'node:timers/promises';
import { type capture, NsmError } from '@nsm/api';
import type { Connection } from '../state/connection.js';
import { oneLine } from '../untrusted-text.js';
import { captureConnection } from './capture.js';
import type { InspectionComponents } from './components.js';
import { sideOf } from './halves.js';
import type { Captured } from './merge-captures.js';
import { type Recognised, recognise, traceFilter } from './trace-packets.js';
import type { Sighting } from './trace-way.js';

/** Bytes that are kept of what is seen: all headers, and the mark. */
const snapLength = 256;
/** Milliseconds after which all that passed has been told, and between two looks at that. */
const settledAfterMs = 5000;
const lookAgainMs = 10;

export type Point = Omit<capture.Point, '$typeName' | '$unknown'>;
export type Seen = Sighting & Pick<Recognised, 'mark' | 'isError'>;

export interface Watching {
  readonly points: readonly Point[];
  /** The list grows, in the order of time. */
  readonly seen: readonly Seen[];
  /** Waits until all that has passed so far is among what was seen. */
  settle(): Promise<void>;
}

/** Where the other manager does not take part, this node alone is watched. */
export async function watchPackets(
  components: InspectionComponents,
  connection: Connection,
  marks: readonly Buffer[],
  signal: AbortSignal,
): Promise<Watching> {
  const seen: Seen[] = [];
  const { points, unwatched, messages } = await begin(components, connection, marks, signal);
  let toldNs = 0n;
  const read = async (): Promise<void> => {
    for await (const { packets = [], untilNs = 0n } of messages) {
      toldNs = BigInt(untilNs);
      for (const { point = 0, timeNs = 0n, outgoing = false, data = new Uint8Array() } of packets) {
        const found = recognise(data, marks);
        const at = points[point];
        if (found && at) seen.push({ ...found, point: at, timeNs: BigInt(timeNs), outgoing });
      }
    }
  };
  // That it ends, or fails, shows by what is not seen.
  void read().catch(() => undefined);
  return {
    points: [...points, ...unwatched],
    seen,
    async settle() {
      const until = performance.now() + settledAfterMs;
      // The kernel begins to note times a moment after the first capture asks for them. A packet from before bears the time at which it
      // was read, and is told later than others that were read with it.
      for (const _ of ['read', 'told']) {
        const wantedNs = BigInt(Date.now() + 1) * 1_000_000n;
        while (toldNs < wantedNs && performance.now() < until) await sleep(lookAgainMs);
      }
    },
  };
}

interface Begun {
  readonly points: readonly Point[];
  readonly unwatched: readonly Point[];
  readonly messages: AsyncIterable<Captured>;
}

async function begin(
  components: InspectionComponents,
  connection: Connection,
  marks: readonly Buffer[],
  signal: AbortSignal,
): Promise<Begun> {
  const filter = traceFilter(marks);
  const { id, peer, crossConnect } = connection;
  const start = async (places: string[], bothNodes: boolean): Promise<Begun> => {
    const wish = { id, places, bothNodes, filter, snapLength };
    const messages = captureConnection(components, wish, signal);
    const { value } = await messages.next();
    const points = ((value?.points ?? []) as capture.Point[]).map(
      ({ place, manager, interface: name, missing }): Point => ({ place, manager, interface: name, missing }),
    );
    return { points, unwatched: [], messages };
  };
  try {
    return await start(peer ? ['client', 'node', 'underlay', 'endpoint'] : ['client', 'endpoint'], true);
  } catch (error) {
    if (!peer) throw error;
    const alone = await start([sideOf(crossConnect), 'node', 'underlay'], false);
    const missing = oneLine(NsmError.from(error).message);
    return { ...alone, unwatched: [{ place: 'other node', interface: '', manager: peer.manager, missing }] };
  }
}
