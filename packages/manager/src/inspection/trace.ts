// Follows packets through a connection: sends them, and tells where on their way they came by, and why they did not get on.
import { randomBytes } from 'node:crypto';
import { type admin, forwarder as fw } from '@nsm/api';
import { echoHeaders, probeFrom, requireSender, type Sender } from '../sender.js';
import type { Connection } from '../state/connection.js';
import type { InspectionComponents } from './components.js';
import { knownConnection } from './halves.js';
import { type NodeDrops, observeAll } from './observe-drops.js';
import { pathOf } from './ping.js';
import { lossText, reasonsOf } from './trace-reasons.js';
import { type Point, type Seen, type Watching, watchPackets } from './trace-watch.js';
import { lossOf, type Stage, stagesOf } from './trace-way.js';

/** How often each size is sent: what is dropped as often is likely to be it. */
const timesSent = 3;
/** Milliseconds within which a packet is answered. */
const answeredWithinMs = 400;
/** Bytes of a small packet's payload; of a mark: what all packets of a trace have, and a number. */
const smallPayload = 56;
const markSize = 8;

type Report = Omit<admin.TraceConnectionReply, '$typeName' | '$unknown' | 'packets' | 'unwatched'> & {
  readonly packets: Packet[];
  readonly unwatched: Point[];
};
type Packet = Omit<admin.TracedPacket, '$typeName' | '$unknown' | 'hops'> & { readonly hops: Hop[] };
type Hop = Omit<admin.TraceHop, '$typeName' | '$unknown'>;

interface Sent {
  /** Bytes of the IP packet. */
  readonly size: number;
  readonly mark: number;
  readonly answered: boolean;
  /** Why the kernel did not send it; '' when it did. */
  readonly unsent: string;
}

/** @throws NsmError `not-found`, `dataplane` where this node has no device to send by. */
export async function traceConnection(
  components: InspectionComponents,
  id: string,
  signal: AbortSignal,
): Promise<Report> {
  const connection = knownConnection(components, id);
  const sender = requireSender(connection);
  const here = components.self.name;
  const marks = newMarks();
  const end = new AbortController();
  const until = AbortSignal.any([signal, end.signal]);
  try {
    const watching = await watchPackets(components, connection, marks, until);
    // As long as it takes when nothing is answered.
    const drops = observeAll(components, connection, 2 * answeredWithinMs, until);
    drops.catch(() => undefined);
    const sent = await sendAll(components, connection, sender, marks);
    await watching.settle();
    const way = stagesOf(sender.side, here, connection.peer?.manager ?? here);
    const results = await Promise.all(
      [...new Set(sent.map(({ size }) => size))].map((size) =>
        follow(
          components,
          connection,
          sent.filter((one) => one.size === size),
          {
            way,
            watching,
            drops,
            smallerSize: sent.find((one) => one.answered && one.size < size)?.size ?? 0,
          },
        ),
      ),
    );
    return {
      path: pathOf(components, connection),
      packets: results.map(({ packet }) => packet),
      reasons: [...new Set(results.flatMap(({ reasons }) => reasons))],
      unwatched: watching.points.filter(({ missing }) => missing !== ''),
    };
  } finally {
    end.abort();
  }
}

/** Marks that no other packet has, one for each packet that is sent. */
function newMarks(): Buffer[] {
  const secret = randomBytes(markSize / 2);
  return Array.from({ length: 2 * timesSent }, (_, number) => {
    const mark = Buffer.concat([secret, Buffer.alloc(markSize / 2)]);
    mark.writeUInt32BE(number, markSize / 2);
    return mark;
  });
}

/** Sends small packets, then the largest that the interface takes. */
async function sendAll(
  { forwarder }: InspectionComponents,
  connection: Connection,
  sender: Sender,
  marks: readonly Buffer[],
): Promise<Sent[]> {
  const headers = echoHeaders(sender);
  const { ECHO: method } = fw.ProbeMethod;
  const send = async (mark: number, bytes: number): Promise<Sent> => {
    const payload = Buffer.alloc(bytes);
    payload.set(marks[mark] ?? []);
    const how = { timeoutMs: answeredWithinMs, method, payload };
    const { answered, unsent } = await probeFrom(forwarder, sender, connection, how);
    return { size: headers + bytes, mark, answered, unsent };
  };
  const sizes = [smallPayload, Math.max(smallPayload, sender.port.mtu - headers)];
  const sent: Sent[] = [];
  for (const [index, size] of sizes.entries()) {
    const first = index * timesSent;
    const numbers = Array.from({ length: timesSent }, (_, number) => first + number);
    sent.push(...(await Promise.all(numbers.map((mark) => send(mark, size)))));
  }
  return sent;
}

interface Watched {
  readonly way: readonly Stage[];
  readonly watching: Watching;
  readonly drops: Promise<readonly NodeDrops[]>;
  /** As in `LossFacts`. */
  readonly smallerSize: number;
}

/** What became of the packets of one size: of one that got lost, where there is any. */
async function follow(
  components: InspectionComponents,
  connection: Connection,
  all: readonly Sent[],
  { way, watching: { points, seen }, drops, smallerSize }: Watched,
): Promise<{ readonly packet: Packet; readonly reasons: readonly string[] }> {
  const lost = all.filter(({ answered }) => !answered);
  const [shown] = lost.length > 0 ? lost : all;
  const { size = 0, mark = 0, answered = true, unsent = '' } = shown ?? {};
  const echoes = seen.filter((one) => one.mark === mark);
  // As long as the other side's MAC address is not known, it is asked for, and nothing else is sent.
  const sightings = echoes.length > 0 || answered ? echoes : seen.filter((one) => one.mark === undefined);
  const hops = hopsOf(sightings);
  if (answered) return { packet: { size, answered, hops, lost: '' }, reasons: [] };
  const found = lossOf(
    way,
    points.filter(({ missing }) => missing === ''),
    sightings.filter(({ isError }) => !isError),
  );
  const text = found ? lossText(found) : 'it came back, too late or to nobody who took it';
  const packet = { size, answered, hops, lost: `${text}; ${lost.length} of ${all.length} lost` };
  if (!found) return { packet, reasons: [] };
  const { tunnel } = connection.crossConnect;
  const reasons = reasonsOf({
    loss: found,
    count: lost.length,
    peer: requireSender(connection).port.peerAddresses[0] ?? '',
    tunnel,
    unsent,
    smallerSize,
    underlayAnswers: tunnel ? await underlayAnswers(components, connection) : undefined,
    errors: sightings.filter(({ isError }) => isError).map(errorText),
    nodes: await drops,
  });
  return { packet, reasons };
}

async function underlayAnswers(
  { forwarder }: InspectionComponents,
  { crossConnect }: Connection,
): Promise<boolean> {
  const { UNDERLAY_ECHO: method } = fw.ProbeMethod;
  const payload = randomBytes(markSize);
  return (await forwarder.probe({ crossConnect, timeoutMs: answeredWithinMs, method, payload })).answered;
}

function errorText({ what, point: { place, manager } }: Seen): string {
  return `instead of an answer, an error was seen at ${place} of node ${manager}: ${what}`;
}

function hopsOf(sightings: readonly Seen[]): Hop[] {
  const first = sightings[0]?.timeNs ?? 0n;
  return sightings.map(({ point, outgoing, answer, what, timeNs }) => ({
    place: point.place,
    manager: point.manager,
    interface: point.interface,
    outgoing,
    answer,
    what,
    afterMs: Number(timeNs - first) / 1e6,
  }));
}
