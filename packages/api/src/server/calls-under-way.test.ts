// A caller that lets calls stand, or their requests half said, uses up its own share and no other caller's.
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Health } from '../gen/grpc/health/v1/health_pb.js';
import { Channel, Server } from '../index.js';
import { ownCopy } from './own-copy.js';

const headers = (method: string) => ({
  ':method': 'POST',
  ':path': `/grpc.health.v1.Health/${method}`,
  'content-type': 'application/grpc',
  te: 'trailers',
});

describe('calls under way', () => {
  let folder: string;
  let server: Server;
  let pod: number;
  const sessions: ClientHttp2Session[] = [];
  const crowds: string[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-api-'));
    pod = 1;
    server = new Server(undefined, {
      onCrowd: ({ message }) => crowds.push(message),
      bounds: { streams: { ofOne: 8, ofAll: 24 }, callBytes: { ofOne: 100_000, ofAll: 250_000 } },
    });
    await server.listenUnix(join(folder, 's'), {
      identify: () => ({ pid: 1, uid: pod > 90 ? 5 : 0, gid: 0, namespace: { inode: pod, cookie: 0n } }),
    });
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.destroy();
    await server.stop();
    rmSync(folder, { recursive: true });
    crowds.length = 0;
  });

  const open = async (inode: number): Promise<ClientHttp2Session> => {
    pod = inode;
    const createConnection = () => connectSocket(join(folder, 's'));
    const session = connectHttp2('http://localhost', { createConnection });
    sessions.push(session.on('error', () => undefined));
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    return session;
  };
  /** The gRPC status that a call gets at once, or undefined of one that stands. */
  const begin = async (
    session: ClientHttp2Session,
    method: string,
    bytes: Buffer,
    isWhole: boolean,
    more: Readonly<Record<string, string>> = {},
  ): Promise<string | undefined> => {
    const stream = session.request({ ...headers(method), ...more }, { endStream: false });
    stream.on('error', () => undefined).resume();
    stream.write(bytes);
    if (isWhole) stream.end();
    const answered = new Promise<string | undefined>((resolve) => {
      stream.once('response', (response) => resolve(response['grpc-status'] as string | undefined));
    });
    // What the server says of the call comes before it answers the second ping that is sent thereafter.
    const ponged = new Promise<undefined>((resolve) =>
      session.ping(() => session.ping(() => resolve(undefined))),
    );
    return await Promise.race([answered, ponged]);
  };
  const isServed = async (inode: number): Promise<void> => {
    pod = inode;
    using channel = new Channel(`unix:${join(folder, 's')}`);
    expect(await channel.client(Health).check({})).toMatchObject({ status: 1 });
  };

  it('that stand are so many of one pod, whatever its connections, and others are served', async () => {
    const watch = Buffer.alloc(5);
    const outcomes: (string | undefined)[] = [];
    for (let connection = 0; connection < 3; connection++) {
      const session = await open(1);
      for (let call = 0; call < 4; call++) outcomes.push(await begin(session, 'Watch', watch, true));
    }
    expect(outcomes.map((status) => status === '8')).toEqual([
      ...Array<boolean>(8).fill(false),
      ...Array<boolean>(4).fill(true),
    ]);
    expect(crowds).toEqual([expect.stringMatching(/^network namespace 1 has too many calls under way/)]);
    await isServed(2);
    for (const session of sessions.splice(0)) session.destroy();
    await vi.waitFor(() => isServed(1));
  });

  it('are of no pod more than what is left to the others, and of a user no more in many pods', async () => {
    const stand = async (inode: number): Promise<number> => {
      const session = await open(inode);
      let standing = 0;
      for (let call = 0; call < 10; call++)
        if ((await begin(session, 'Watch', Buffer.alloc(5), true)) !== '8') standing++;
      return standing;
    };
    const userHas = [await stand(91), await stand(92)];
    expect(userHas).toEqual([8, 4]);
    expect([await stand(1), await stand(2)]).toEqual([6, 3]);
    await isServed(3);
  });

  it('hold of requests that never end so many bytes of one pod, and others are served', async () => {
    const half = Buffer.alloc(5 + 40_000);
    half.writeUInt32BE(60_000, 1);
    const session = await open(1);
    for (let call = 0; call < 4; call++) await begin(session, 'Check', half, false);
    await vi.waitFor(() =>
      expect(crowds).toEqual([expect.stringMatching(/^network namespace 1 has too many bytes of calls/)]),
    );
    await isServed(2);
    session.destroy();
    await vi.waitFor(() => isServed(1));
  });

  it.each([
    ['what their headers say', { note: 'x'.repeat(30_000) }],
    ['what their requests may unpack to', { 'grpc-encoding': 'gzip' }],
  ])('count for %s', async (_what, more) => {
    const session = await open(1);
    const outcomes: (string | undefined)[] = [];
    for (let call = 0; call < 4; call++)
      outcomes.push(await begin(session, 'Check', Buffer.alloc(1), false, more));
    expect(outcomes.at(-1)).toBe('8');
    await isServed(2);
  });
});

it('a small piece of what was read is kept by itself', () => {
  const piece = ownCopy(Buffer.alloc(65_536).subarray(7, 8));
  expect([piece.length, piece.buffer.byteLength]).toEqual([1, 1]);
});
