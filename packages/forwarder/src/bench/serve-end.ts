// The end of a measurement that answers: takes, gives, echoes and counts for whoever knows the secret, in this thread's namespace.
import { timingSafeEqual } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import {
  type BenchPorts,
  type BenchStart,
  chunk,
  headerSize,
  packetKind,
  readExactly,
  secretSize,
  wish,
} from './bench-protocol.js';

/** Connections at a time: a measurement has one. */
const mostConnections = 2;

/** It answers until the thread ends. */
export async function serveEnd({
  address,
  secret,
  from,
}: Extract<BenchStart, { role: 'serve' }>): Promise<BenchPorts> {
  const knows = (bytes: Buffer): boolean => timingSafeEqual(bytes.subarray(0, secretSize), secret);
  const udp = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 });
  let packets = 0;
  let bytes = 0;
  udp.on('message', (message, { address: sender, port }) => {
    if (message.length < headerSize || !knows(message)) return;
    if (message[secretSize] === packetKind.echo) return udp.send(message, port, sender);
    packets++;
    bytes += message.length;
  });
  // That nobody waits for an answer any more is no concern of this end.
  udp.on('error', () => undefined);
  udp.bind(0, address);
  const serve = async (socket: Socket): Promise<void> => {
    const header = await readExactly(socket, headerSize);
    if (!knows(header)) return void socket.destroy();
    if (header[secretSize] === wish.take) {
      let taken = 0;
      socket.on('data', (part) => {
        taken += part.length;
      });
      socket.resume();
      await once(socket, 'end');
      socket.end(numbers(taken));
    } else if (header[secretSize] === wish.give) {
      while (!socket.destroyed) if (!socket.write(chunk)) await once(socket, 'drain');
    } else if (header[secretSize] === wish.count) {
      socket.end(numbers(packets, bytes));
      [packets, bytes] = [0, 0];
    }
  };
  const tcp = createServer({ allowHalfOpen: true }, (socket) => {
    // Half-open connections end with the other end's reset, too.
    socket.on('error', () => socket.destroy());
    if (!from.includes(socket.remoteAddress ?? '')) return void socket.destroy();
    serve(socket).catch(() => socket.destroy());
  });
  tcp.maxConnections = mostConnections;
  tcp.listen(0, address);
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);
  const bound = tcp.address();
  return { tcpPort: typeof bound === 'object' ? (bound?.port ?? 0) : 0, udpPort: udp.address().port };
}

/** Each in 64 bits. */
function numbers(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(8 * values.length);
  for (const [index, value] of values.entries()) buffer.writeBigUInt64BE(BigInt(value), 8 * index);
  return buffer;
}
