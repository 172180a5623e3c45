// Has the manager capture, and shows or writes what comes.
import { type admin, type capture, deadline, tunnelNames } from '@nsm/api';
import { Output } from '@nsm/output';
import { counted } from '@nsm/views/texts';
import { interrupted } from '../../interrupted.js';
import { withAdmin } from '../../managers/admin-client.js';
import { findConnection } from '../../managers/find-connection.js';
import { CaptureFile } from './capture-file.js';
import { filterProgram } from './compile-filter.js';
import type { CaptureFlags, CaptureWord } from './flags.js';
import { frameText, tunnelFrameText } from './frame-text.js';

/** Where packets go to. */
interface Sink {
  points(points: readonly capture.Point[]): Promise<void>;
  packets(packets: readonly capture.Packet[], dropped: readonly bigint[]): Promise<void>;
  end(): Promise<void>;
}

export async function runCapture(name: string, flags: CaptureFlags): Promise<void> {
  const { runDir, at, duration, count = Number.POSITIVE_INFINITY, snapLength = 0 } = flags;
  const filter = filterProgram(flags.filter);
  const stop = interrupted();
  const signal = duration === undefined ? stop : deadline(duration, stop);
  // Standard output may be the capture's.
  const notes = new Output(false, process.stderr);
  await withAdmin(runDir, async (client) => {
    const connection = await findConnection(client, name);
    const sink = sinkOf(flags, connection);
    let points: readonly capture.Point[] = [];
    let seen = 0;
    let dropped: readonly bigint[] = [];
    try {
      const wish = { id: connection.id, ...placesOf(at), filter, snapLength };
      for await (const message of client.captureConnection(wish, { signal })) {
        if (message.points.length > 0) {
          points = message.points;
          tellPoints(notes, points);
          if (flags.write !== undefined) tellDecoding(notes, connection, points);
          await sink.points(points);
          continue;
        }
        dropped = message.dropped;
        const packets = message.packets.slice(0, count - seen);
        seen += packets.length;
        await sink.packets(packets, dropped);
        if (seen >= count) break;
      }
      if (seen < count && !signal.aborted)
        notes.line('the connection has ended, or its devices are others now');
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    }
    if (points.length > 0) await sink.end();
    notes.line(`${counted(seen, 'packet')} captured${droppedText(points, dropped)}`);
  });
}

function sinkOf(flags: CaptureFlags, connection: admin.Connection): Sink {
  return flags.write === undefined
    ? lines(new Output(flags.json === true), connection)
    : new CaptureFile(flags.write, connection, flags.snapLength ?? 0);
}

function placesOf(words: readonly CaptureWord[]): { places: string[]; bothNodes: boolean } {
  const everything = words.includes('all');
  return {
    places: everything ? ['client', 'node', 'underlay', 'endpoint'] : [...words],
    bothNodes: everything,
  };
}

function tellPoints(notes: Output, points: readonly capture.Point[]): void {
  for (const { place, manager, interface: name, missing } of points)
    notes.item(`${place} on ${manager}: `, missing === '' ? name : missing);
}

/** Wireshark takes a MAC address that begins with 0, as those of the mesh do, for a control word, which tunnels of the mesh have not. */
function tellDecoding(
  notes: Output,
  { crossConnect }: admin.Connection,
  points: readonly capture.Point[],
): void {
  const { type, identifier } = crossConnect?.tunnel ?? {};
  const labelled = type !== undefined && tunnelNames[type]?.startsWith('MPLS');
  if (labelled && points.some(({ place }) => place === 'underlay'))
    notes.item(
      '',
      `to see inside of the tunnel, give wireshark or tshark: -d mpls.label==${identifier},pwethnocw`,
    );
}

function droppedText(points: readonly capture.Point[], dropped: readonly bigint[]): string {
  const lost = points.flatMap(({ place, manager }, index) => {
    const count = dropped[index] ?? 0n;
    return count > 0n ? [`${count} at ${place} on ${manager}`] : [];
  });
  return lost.length > 0 ? `; dropped because they were not read in time: ${lost.join(', ')}` : '';
}

/** A line for each packet. */
function lines(output: Output, { crossConnect }: admin.Connection): Sink {
  const tunnel = crossConnect?.tunnel;
  let points: readonly capture.Point[] = [];
  return {
    async points(all) {
      points = all;
    },
    async packets(packets) {
      for (const { point, timeNs, length, outgoing, data } of packets) {
        const { place = '', manager = '', interface: name = '' } = points[point] ?? {};
        const time = `${new Date(Number(timeNs / 1_000_000n)).toISOString().slice(0, -1)}${String(timeNs % 1_000_000n).padStart(6, '0')}Z`;
        const text = place === 'underlay' && tunnel ? tunnelFrameText(data, tunnel) : frameText(data);
        if (output.json)
          output.value({
            time,
            place,
            manager,
            interface: name,
            direction: outgoing ? 'out' : 'in',
            length,
            text,
          });
        else
          output.item(
            `${time.slice(11, -4)}  `,
            `${place.padEnd(8)} ${manager} ${name} ${outgoing ? 'out' : 'in '}  ${text}, ${length} bytes`,
          );
      }
    },
    async end() {},
  };
}
