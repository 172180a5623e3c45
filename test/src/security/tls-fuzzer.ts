// Runs as a process on a node: opens connections to a TCP port that go wrong in the handshake or thereafter, each otherwise. Prints what
// it has tried as one line of JSON.
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { Random } from '../reliability/random.js';
import type { Shown } from './shown-certificates.js';

export interface TlsFuzz {
  readonly host: string;
  readonly port: number;
  readonly seed: number;
  readonly inputs: number;
  /** A good certificate, which half of the handshakes have. */
  readonly shown: Shown;
}

const atOnce = 16;
/** Milliseconds for which a connection is kept that says nothing more; some are given up by nobody but the server. */
const patienceMs = 50;

/** RFC 8446, section 5.1: types of records. */
const [alert, handshake, applicationData] = [21, 22, 23];
const record = (
  type: number,
  version: number,
  content: Uint8Array,
  length: number = content.length,
): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(version, 1);
  head.writeUInt16BE(length & 0xffff, 3);
  return Buffer.concat([head, content]);
};

/** The first bytes of a client of TLS 1.3. */
async function clientHello(): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const client = connectTls({ host: '127.0.0.1', port, ALPNProtocols: ['h2'] }).on('error', () => undefined);
  const socket = await accepted;
  const hello = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

function mutated(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  const changes = 1 + random.below(8);
  for (let n = 0; n < changes; n++) {
    const at = random.below(copy.length);
    if (random.chance(0.5)) copy[at] = random.below(256);
    else copy.writeUInt8(random.of([0, 1, 0x7f, 0x80, 0xff]), at);
  }
  if (random.chance(0.3)) return copy.subarray(0, random.below(copy.length));
  if (random.chance(0.2)) return Buffer.concat([copy, Buffer.from(random.bytes(random.below(20_000)))]);
  return copy;
}

const raw: Readonly<Record<string, (hello: Buffer, random: Random) => Buffer[]>> = {
  'a mutated hello': (hello, random) => [mutated(hello, random)],
  'a hello byte by byte': (hello) => [...hello].map((byte) => Buffer.of(byte)),
  'a hello in many records': (hello, random) => {
    const pieces: Buffer[] = [];
    for (let at = 5; at < hello.length; ) {
      const length = 1 + random.below(40);
      pieces.push(record(handshake, 0x0301, hello.subarray(at, at + length)));
      at += length;
    }
    return [Buffer.concat(pieces)];
  },
  'two hellos': (hello) => [hello, hello],
  'half a hello': (hello, random) => [hello.subarray(0, 1 + random.below(hello.length - 1))],
  'records of other versions': (hello, random) => [
    record(handshake, random.of([0x0000, 0x0002, 0x0300, 0x0304, 0x0305, 0xffff]), hello.subarray(5)),
  ],
  'records of other types': (_, random) => [
    record(random.of([20, alert, applicationData, 24, 255]), 0x0303, random.bytes(random.below(100))),
  ],
  'a length that lies': (hello, random) => [
    record(handshake, 0x0301, hello.subarray(5), random.of([0, 1, 0x4000, 0x4001, 0xffff])),
  ],
  'records of nothing': () => [Buffer.concat(Array(500).fill(record(handshake, 0x0301, Buffer.alloc(0))))],
  alerts: (hello, random) => [
    hello,
    record(alert, 0x0303, Buffer.of(1 + random.below(2), random.below(256))),
  ],
  'a hello that goes on for 16 MiB': (hello) => {
    const body = Buffer.from(hello.subarray(5));
    body.writeUIntBE(0xffffff, 1, 3);
    return [
      record(handshake, 0x0301, body),
      ...Array(64).fill(record(handshake, 0x0301, Buffer.alloc(16_000))),
    ];
  },
  'TLS of SSL 2': () => [Buffer.from('802e0100020015000000100100800300800700c0060040020080040080', 'hex')],
  'plain HTTP/2': () => [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1')],
  noise: (_, random) => [Buffer.from(random.bytes(1 + random.below(3000)))],
};

/** What becomes of the bytes of a real client on their way. */
const faults: Readonly<Record<string, (bytes: Buffer, random: Random) => Buffer[] | 'cut'>> = {
  changed: (bytes, random) => [mutated(bytes, random)],
  'in pieces': (bytes, random) => {
    const at = random.below(bytes.length);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  },
  twice: (bytes) => [bytes, bytes],
  'with a record between': (bytes, random) => [
    record(random.of([20, alert, handshake, applicationData]), 0x0303, random.bytes(random.below(200))),
    bytes,
  ],
  'cut off': () => 'cut',
};

const opened = ({ host, port }: TlsFuzz, random: Random): Promise<Socket> =>
  new Promise((resolve) => {
    // Each from another address: one host may not begin many handshakes a second.
    const localAddress = `127.${random.below(250)}.${random.below(250)}.${2 + random.below(250)}`;
    const socket = connectTcp({ host, port, localAddress }, () => resolve(socket));
    socket.on('error', () => {
      socket.destroy();
      resolve(socket);
    });
  });

const over = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    const timer = setTimeout(() => socket.destroy(), patienceMs);
    socket.resume().once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });

async function sayRaw(fuzz: TlsFuzz, words: readonly Buffer[], random: Random): Promise<void> {
  const socket = await opened(fuzz, random);
  for (const word of words) if (socket.writable) socket.write(word);
  if (random.chance(0.3)) socket.end();
  await over(socket);
}

/** A client of OpenSSL's, of which something is wrong from one of its messages on. */
async function sayWrongly(
  fuzz: TlsFuzz,
  fault: (bytes: Buffer, random: Random) => Buffer[] | 'cut',
  random: Random,
): Promise<void> {
  const socket = await opened(fuzz, random);
  let left = random.below(5);
  const wire = new Duplex({
    read: () => undefined,
    write: (bytes: Buffer, _encoding, done) => {
      const words = left-- === 0 ? fault(bytes, random) : [bytes];
      if (words === 'cut') socket.destroy();
      else for (const word of words) if (socket.writable) socket.write(word);
      done();
    },
  });
  socket.on('data', (bytes) => wire.push(bytes)).once('close', () => wire.destroy());
  const own = random.chance(0.5) ? fuzz.shown : { ALPNProtocols: ['h2'] };
  const version = random.chance(0.2) ? ({ maxVersion: 'TLSv1.2' } as const) : {};
  const client = connectTls({ socket: wire, rejectUnauthorized: false, ...own, ...version }, () => {
    for (let n = 0; n < 5; n++) client.write(random.bytes(random.below(500)));
  });
  client.on('error', () => undefined).resume();
  await over(socket);
  client.destroy();
}

const fuzz = JSON.parse(process.argv[2] ?? '') as TlsFuzz;
const hello = await clientHello();
const kinds = [
  ...Object.entries(raw).map(
    ([name, words]) => [name, (random: Random) => sayRaw(fuzz, words(hello, random), random)] as const,
  ),
  ...Object.entries(faults).map(
    ([name, fault]) => [`a client ${name}`, (random: Random) => sayWrongly(fuzz, fault, random)] as const,
  ),
];
const counts: Record<string, number> = {};
let next = 0;
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    while (next < fuzz.inputs) {
      const random = new Random(fuzz.seed + next++);
      const [name, attempt] = kinds[next % kinds.length]!;
      await attempt(random);
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }),
);
console.log(JSON.stringify(counts));
process.exit();
