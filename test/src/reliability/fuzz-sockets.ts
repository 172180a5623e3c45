// What no gRPC client says: garbage, HTTP/2 that stops in the middle or makes no sense, connections closed halfway or never.
import { connect as openSocket, type Socket } from 'node:net';
import type { Random } from './random.js';

/** Path of a unix socket, or host and port. */
export type Address = string | { readonly host: string; readonly port: number };

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const settings = frame(4, 0, 0, Buffer.alloc(0));

/** Milliseconds that a connection that says nothing more is kept. */
const patience = 20;

/** One connection to a socket, with something wrong in it. Resolves when it is over; whatever comes back is thrown away. */
export async function speakNonsense(address: Address, random: Random): Promise<void> {
  const words = nonsense(random);
  const halfClosed = random.chance(0.5);
  await new Promise<void>((resolve) => {
    const socket: Socket =
      typeof address === 'string' ? openSocket(address) : openSocket(address.port, address.host);
    const timer = setTimeout(() => socket.destroy(), patience);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once('connect', () => {
      for (const word of words) socket.write(word);
      if (halfClosed) socket.end();
    });
    socket.resume();
  });
}

function nonsense(random: Random): Uint8Array[] {
  const kind = random.below(6);
  if (kind === 0) return [random.bytes(random.below(2000))];
  if (kind === 1) return [preface.subarray(0, random.below(preface.length))];
  if (kind === 2) return [Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')];
  if (kind === 3) return [];
  const frames = Array.from({ length: 1 + random.below(20) }, () => randomFrame(random));
  const whole = Buffer.concat([preface, settings, ...frames]);
  return kind === 4 ? [whole] : [whole.subarray(0, random.below(whole.length))];
}

/** Any type, any flags, any stream, a length that may lie (RFC 9113, 4.1). */
function randomFrame(random: Random): Buffer {
  const payload = Buffer.from(random.bytes(random.below(100)));
  const bytes = frame(random.below(12), random.below(256), random.of([0, 1, 3, 5, 0x7fffffff]), payload);
  if (random.chance(0.2)) bytes.writeUIntBE(random.below(1 << 24), 0, 3);
  return bytes;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}
