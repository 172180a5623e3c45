// Captures of several forwarders as one: packets in the order of their times.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type capture, within } from '@nsm/api';

export type Captured = MessageInitShape<typeof capture.CapturedSchema>;
type Packet = capture.Packet;

/** One forwarder's capture, after its first message. */
export interface CaptureSource {
  readonly messages: AsyncIterator<capture.Captured>;
  readonly points: readonly capture.Point[];
  /** Nanoseconds by which its clock is ahead of this node's. */
  readonly aheadNs: bigint;
}

/** Bytes that wait for the others of their time at most, whatever a manager says of how far it is; and bytes of one message. */
const mostWaiting = 8 << 20;
const mostInMessage = 1 << 20;
/** Bytes of a packet that are not its data. */
const packetOverhead = 32;

/** Milliseconds for which the packets of all others wait for a source that does not say how far it is. */
const patienceMs = 1000;

interface Progress {
  readonly source: CaptureSource;
  /** Place of its first point among all points. */
  readonly firstPoint: number;
  next: Promise<IteratorResult<capture.Captured>> | undefined;
  untilNs: bigint;
  dropped: readonly bigint[];
}

/** Ends when all have ended, or any fails. What is not read waits, and gets lost, where it was captured. */
export async function* mergeCaptures(sources: readonly CaptureSource[]): AsyncGenerator<Captured> {
  let firstPoint = 0;
  const progresses = sources.map((source): Progress => {
    const progress = {
      source,
      firstPoint,
      next: undefined,
      untilNs: 0n,
      dropped: source.points.map(() => 0n),
    };
    firstPoint += source.points.length;
    return progress;
  });
  yield { points: sources.flatMap(({ points }) => points) };
  let running = progresses;
  let waiting: Packet[] = [];
  while (running.length > 0) {
    const slowest = running.reduce((one, other) => (other.untilNs < one.untilNs ? other : one));
    slowest.next ??= slowest.source.messages.next();
    const message = await within(patienceMs, slowest.next, () => 'late' as const);
    if (message === 'late') {
      // Its packets will be out of order, which is better than none of the others'.
      slowest.untilNs =
        running
          .map(({ untilNs }) => untilNs)
          .toSorted(inOrder)
          .at(-1) ?? 0n;
    } else {
      slowest.next = undefined;
      if (message.done) running = running.filter((one) => one !== slowest);
      else waiting.push(...take(slowest, message.value));
    }
    const [untilNs] = running.map((one) => one.untilNs).toSorted(inOrder);
    waiting.sort((a, b) => inOrder(a.timeNs, b.timeNs));
    const all = untilNs === undefined || sizeOf(waiting) > mostWaiting;
    const packets = all ? waiting : waiting.filter(({ timeNs }) => timeNs <= untilNs);
    waiting = waiting.slice(packets.length);
    const dropped = progresses.flatMap((one) => one.dropped);
    const messages = chunksOf(packets);
    for (const [index, part] of messages.entries()) {
      const isLast = index === messages.length - 1;
      yield { dropped, packets: part, untilNs: (isLast ? untilNs : part.at(-1)?.timeNs) ?? 0n };
    }
    if (messages.length === 0 && message !== 'late') yield { dropped, untilNs: untilNs ?? 0n };
  }
}

function sizeOf(packets: readonly Packet[]): number {
  return packets.reduce((sum, { data }) => sum + data.length + packetOverhead, 0);
}

/** As many as one message has room for, again and again. */
function chunksOf(packets: readonly Packet[]): Packet[][] {
  const chunks: Packet[][] = [];
  let room = 0;
  for (const packet of packets) {
    const size = sizeOf([packet]);
    if (size > room) {
      chunks.push([]);
      room = mostInMessage;
    }
    chunks.at(-1)?.push(packet);
    room -= size;
  }
  return chunks;
}

function inOrder(a: bigint, b: bigint): number {
  return Number(a - b);
}

function take(progress: Progress, { packets, untilNs, dropped }: capture.Captured): Packet[] {
  const { source, firstPoint } = progress;
  progress.untilNs = untilNs - source.aheadNs;
  // Another manager may say anything.
  progress.dropped = source.points.map((_, index) => dropped[index] ?? 0n);
  return packets
    .filter(({ point }) => point < source.points.length)
    .map((packet) => ({
      ...packet,
      point: firstPoint + packet.point,
      timeNs: packet.timeNs - source.aheadNs,
    }));
}
