// TCP as pods use it: bytes in bulk, answers of the shortest packets, and none that nobody listens to.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { thorough } from '../reliability/config.js';
import { bindToPort } from './ip-socket.js';
import type { Direction, PodEnd, Version } from './pod-end.js';

const bulk = randomBytes((thorough ? 32 : 1) << 20);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
/** Where nobody listens. */
const deserted = 7005;
/** Milliseconds without a byte after which a transfer has come to a halt. */
const patience = 5_000;

/** A megabyte or more, which is cut by whom it may concern, and the digest of it as the answer. */
export const transferFaults = async (
  { what, from, to }: Omit<Direction, 'mtu'>,
  version: Version,
): Promise<string[]> => {
  const server = createServer({ allowHalfOpen: true });
  const fd = to.tcp(version);
  bindToPort(fd, version, 0);
  server.listen({ fd });
  server.on('connection', (socket) => {
    const hash = createHash('sha256');
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => hash.update(bytes)).on('end', () => socket.end(hash.digest('hex')));
  });
  const client = new Socket({ fd: from.tcp(version) });
  try {
    const answer: Buffer[] = [];
    client.setTimeout(patience, () => client.destroy(new Error('it came to a halt')));
    client.on('data', (bytes) => answer.push(bytes));
    const { port } = server.address() as AddressInfo;
    client.connect({ host: to.addresses[version], port }, () => client.end(bulk));
    await once(client, 'close');
    const same = Buffer.concat(answer).toString() === digest(bulk);
    return same ? [] : [`${what}: TCP over IPv${version}: ${bulk.length} bytes arrived as others`];
  } catch (error) {
    return [`${what}: TCP over IPv${version}: ${String(error)}`];
  } finally {
    client.destroy();
    server.close();
  }
};

/** Nobody listens: the answer is a packet of a bare header. */
export const refusalFaults = async (
  { what, from, to }: Omit<Direction, 'mtu'>,
  version: Version,
): Promise<string[]> => {
  const client = new Socket({ fd: from.tcp(version) });
  client.setTimeout(patience, () => client.destroy(new Error('no answer')));
  client.connect({ host: to.addresses[version], port: deserted });
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  return error.code === 'ECONNREFUSED' ? [] : [`${what}: RST over IPv${version}: ${error.message}`];
};

/** Without them, TCP's packets are shorter by twelve bytes. */
export const withoutTimestamps = async <T>(ends: readonly PodEnd[], work: () => Promise<T>): Promise<T> => {
  const set = (value: '0' | '1'): void => {
    for (const { namespace } of ends)
      namespace.namespace.run(() => writeFileSync('/proc/sys/net/ipv4/tcp_timestamps', value));
  };
  set('0');
  try {
    return await work();
  } finally {
    set('1');
  }
};
