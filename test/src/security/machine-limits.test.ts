// What one machine may take of a server on TCP: time for its handshake, time without a call, and memory of its connection.
import { createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { betweenMachines, Channel, type Credential, registry, Server } from '@nsm/api';
import { Authority, keyToPem, newKey, toPem } from '@nsm/pki';
import { waitFor } from '@nsm/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { shownBy } from './shown-certificates.js';

const authority = Authority.inMemory();
const key = newKey();
const identity = { domain: 'nsm', kind: 'manager', name: 'node-a' } as const;
const credentialOf = (own: Authority): Credential => {
  const certificate = own.issue(createPublicKey(key), identity, 3_600_000);
  const authorities = new Map([['nsm', own.certificates]]);
  return { identity, key: keyToPem(key), chain: toPem([certificate]), authorities };
};
const current = credentialOf(authority);

describe('a machine', () => {
  let server: Server;
  const refused: string[] = [];
  const open: { destroy(): unknown }[] = [];

  afterEach(async () => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    for (const one of open.splice(0)) one.destroy();
    await server.stop();
    refused.length = 0;
  });

  const serve = async (limits: Partial<typeof betweenMachines> = {}): Promise<number> => {
    server = new Server(undefined, { ...betweenMachines, ...limits });
    const credentials = { current };
    return await server.listenTcp('127.0.0.1:0', {
      credentials,
      onRefused: ({ message }) => refused.push(message),
    });
  };
  const session = async (port: number): Promise<ClientHttp2Session> => {
    const tls = { port, host: '127.0.0.1', rejectUnauthorized: false, ...shownBy(authority) };
    const made = connectHttp2('https://localhost', { createConnection: () => connectTls(tls) });
    open.push(made.on('error', () => undefined));
    await once(made, 'remoteSettings');
    return made;
  };
  const watch = (made: ClientHttp2Session) => {
    const path = { ':method': 'POST', ':path': '/grpc.health.v1.Health/Watch' };
    const stream = made.request({ ...path, 'content-type': 'application/grpc', te: 'trailers' });
    stream.on('error', () => undefined).end(Buffer.alloc(5));
    return stream;
  };

  it('of another mesh is told of at both ends, though it does not believe the server either', async () => {
    const credentials = { current: credentialOf(Authority.inMemory()) };
    using channel = new Channel(`127.0.0.1:${await serve()}`, { credentials });
    const asked = channel.client(registry.Registry).removeManager({ name: 'x' });
    await expect(asked).rejects.toThrow(/not trusted here/);
    await waitFor(() =>
      refused.some((message) => message.includes('has a certificate that is of an authority')),
    );
  });

  it('that goes away in the handshake is told of', async () => {
    const port = await serve();
    const raw = connectTcp(port, '127.0.0.1', () => {
      raw.write(Buffer.from([22, 3, 1, 2, 0, 1, 0]), () => raw.resetAndDestroy());
    });
    open.push(raw);
    await waitFor(() => refused.some((message) => message.includes('ends in the TLS handshake')));
  });

  it.each([
    ['says nothing', undefined],
    ['says half of a hello', Buffer.from([22, 3, 1, 2, 0, 1, 0])],
  ])('has five seconds to show who it is: one that %s', async (_what, word) => {
    const port = await serve();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const sockets = Array.from({ length: 2 }, (): Socket => connectTcp(port, '127.0.0.1'));
    open.push(...sockets);
    const closed = sockets.map((socket) => once(socket.on('error', () => undefined).resume(), 'close'));
    for (const socket of sockets) {
      await once(socket, 'connect');
      if (word) socket.write(word);
    }
    // A manager is known by then, and stays.
    const known = await session(port);
    vi.advanceTimersByTime(4900);
    expect(sockets.map(({ closed: isClosed }) => isClosed)).toEqual([false, false]);
    vi.advanceTimersByTime(200);
    await Promise.all(closed);
    expect(refused).toContain('host 127.0.0.1 does not show who it is in 5 s');
    await once(watch(known), 'data');
  });

  it('without a call is forgotten after a while, and one with a call stays', async () => {
    expect(betweenMachines.idleMs).toBeGreaterThan(0);
    const port = await serve({ idleMs: 200 });
    const [idle, busy] = [await session(port), await session(port)];
    await once(watch(busy), 'data');
    await once(idle, 'close');
    expect(busy.closed || busy.destroyed).toBe(false);
  });

  it('has so many calls at once over a connection, and the others wait', async () => {
    const port = await serve({ streams: 4 });
    const made = await session(port);
    expect(made.remoteSettings.maxConcurrentStreams).toBe(4);
    const answered = new Set<number>();
    const streams = Array.from({ length: 6 }, (_, index) =>
      watch(made).on('data', () => answered.add(index)),
    );
    await waitFor(() => answered.size === 4);
    await new Promise<void>((resolve) => made.ping(() => resolve()));
    expect([...answered]).toEqual([0, 1, 2, 3]);
    streams[0]?.close();
    // The first that waited comes together with the end: since Node.js 22 such a call may still be refused.
    await waitFor(() => answered.has(4) || answered.has(5));
  });

  it('has so much memory of a connection, and its calls beyond are refused', async () => {
    const many = { ofOne: 1 << 30, ofAll: 1 << 30 };
    const bounds = { streams: many, callBytes: many };
    // Each call a millisecond after the other: no more than a manager may.
    let nowMs = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => ++nowMs);
    const port = await serve({ sessionMemoryMib: 1, streams: 50_000, bounds });
    const made = await session(port);
    const outcomes = await Promise.all(
      Array.from({ length: 3000 }, () => {
        const stream = watch(made);
        return new Promise((resolve) => {
          for (const event of ['data', 'close']) stream.once(event, () => resolve(stream.rstCode));
        });
      }),
    );
    expect(outcomes).toContain(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    const other = await session(port);
    await once(watch(other), 'data');
  });
});
