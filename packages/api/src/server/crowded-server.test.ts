// Callers that have as much as they may: each hears so, whatever it tries, what it had is its own, and it may again when it has given up some.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect as http2Connect } from 'node:http2';
import { connect as netConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Channel, connect, NsmError, Server, type Share, type Shared } from '../index.js';

const most: Readonly<Record<Shared, number>> = { sockets: 20, streams: 4, callBytes: 200_000 };
/** Bytes of a reply that nobody reads. */
const large = 80_000;

describe('a server of many pods', () => {
  let folder: string;
  let server: Server;
  const had: Record<Shared, number> = { sockets: 0, streams: 0, callBytes: 0 };
  const crowds: string[] = [];
  const opened: { destroy(): void }[] = [];

  const share: Share = (what, _peer, more) => {
    if (had[what] + more > most[what]) throw new NsmError('overload', `${what}: too much`);
    had[what] += more;
    let isHeld = true;
    return () => {
      if (isHeld) had[what] -= more;
      isHeld = false;
    };
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-api-'));
    server = new Server(() => undefined, { share, onCrowd: ({ message }) => crowds.push(message) });
    server.add(connect.ClientConnection, {
      requestConnection: async ({ requestId }) => ({
        accepted: true,
        admissionError: 'x'.repeat(Number(requestId)),
      }),
      closeConnection: (_, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      async *watchConnections(_, { signal }) {
        yield { requestId: 'first' };
        await once(signal, 'abort');
      },
    });
    await server.listenUnix(join(folder, 's'), {
      identify: () => ({ pid: 42, uid: 0, gid: 0, namespace: { inode: 7, cookie: 7n } }),
    });
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) one.destroy();
    await server.stop();
    rmSync(folder, { recursive: true });
    await vi.waitFor(() => expect(had).toEqual({ sockets: 0, streams: 0, callBytes: 0 }));
    crowds.length = 0;
  });

  const open = async (): Promise<Socket> => {
    const socket = netConnect(join(folder, 's'));
    opened.push(socket);
    await once(socket, 'connect');
    return socket;
  };
  const ask = async (requestId = '0'): Promise<string> => {
    using channel = new Channel(`unix:${join(folder, 's')}`);
    return await channel
      .client(connect.ClientConnection)
      .requestConnection({ requestId })
      .then(
        () => 'served',
        (error: NsmError) => error.toAdmissionError(),
      );
  };
  const session = (settings = {}): ClientHttp2Session => {
    const made = http2Connect('http://localhost', {
      createConnection: () => netConnect(join(folder, 's')),
      settings,
    });
    made.on('error', () => undefined);
    opened.push(made);
    return made;
  };
  /** The headers of a call. */
  const begin = (client: ClientHttp2Session, method: string) => {
    const stream = client.request({
      ':method': 'POST',
      ':path': `/nsmconnect.ClientConnection/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    return stream;
  };
  const closed = (stream: { once(event: 'close', listener: () => void): unknown }): Promise<void> =>
    // Later: Node.js 20 never comes back from closing a stream while it tells that another one is closed.
    new Promise((resolve) => stream.once('close', () => setImmediate(resolve)));
  /** Of a message: not compressed, and its length. */
  const head = (length: number): Buffer => {
    const bytes = Buffer.alloc(5);
    bytes.writeUInt32BE(length, 1);
    return bytes;
  };

  it('tells each caller whose connection is one too many, also when many come at once and others say nothing', async () => {
    const sockets = await Promise.all(Array.from({ length: 25 }, open));
    await vi.waitFor(() => expect(had.sockets).toBe(20));
    const told = 'sockets: too much (NSM0006)';
    expect(await Promise.all(Array.from({ length: 6 }, () => ask()))).toEqual(Array(6).fill(told));
    expect(crowds).toEqual(['sockets: too much']);
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(async () => expect(await ask()).toBe('served'));
  });

  it('says the longest refusal that there is in a frame that a client takes', async () => {
    await server.stop();
    server = new Server(() => undefined, {
      share: () => {
        throw new NsmError('overload', `${'ü'.repeat(1500)}%`);
      },
    });
    await server.listenUnix(join(folder, 's'), { identify: () => ({ pid: 42, uid: 0, gid: 0 }) });
    expect(await ask()).toMatch(/^ü{1500}% \(NSM0006\)$/);
  });

  it('counts a call from its first word, whether its request ever comes or not', async () => {
    const client = session();
    const calls = Array.from({ length: 4 }, () => begin(client, 'RequestConnection'));
    await vi.waitFor(() => expect(had.streams).toBe(4));
    expect(await ask()).toBe('streams: too much (NSM0006)');
    // Nor does one stay that is refused and never ends.
    const refused = begin(client, 'RequestConnection');
    await closed(refused);
    calls[0]!.close();
    await vi.waitFor(async () => expect(await ask()).toBe('served'));
    expect(had.streams).toBe(3);
  });

  it('counts bytes of requests that are not whole yet', async () => {
    const client = session();
    const calls = [1, 2].map(() => begin(client, 'RequestConnection'));
    for (const call of calls) call.write(Buffer.concat([head(1 << 20), Buffer.alloc(90_000)]));
    await vi.waitFor(() => expect(had.callBytes).toBeGreaterThan(180_000));
    calls[1]!.write(Buffer.alloc(90_000));
    await closed(calls[1]!);
    expect(had.streams).toBe(1);
    expect(await ask()).toBe('served');
  });

  it('counts bytes of replies that nobody takes, and ends the call that has too many', async () => {
    const client = session({ initialWindowSize: 0 });
    const request = Buffer.from([0x0a, 5, ...Buffer.from(String(large))]);
    const calls = [1, 2].map(() => begin(client, 'RequestConnection'));
    for (const call of calls) call.end(Buffer.concat([head(request.length), request]));
    await vi.waitFor(() => expect(had.callBytes).toBeGreaterThan(2 * large));
    const third = begin(client, 'RequestConnection');
    third.end(Buffer.concat([head(request.length), request]));
    await closed(third);
    expect(had).toMatchObject({ streams: 2 });
    expect(had.callBytes).toBeLessThan(3 * large);
    // A watch whose reader takes nothing holds no more than its first words.
    begin(client, 'WatchConnections').end(head(0));
    await vi.waitFor(() => expect(had.streams).toBe(3));
  });
});
