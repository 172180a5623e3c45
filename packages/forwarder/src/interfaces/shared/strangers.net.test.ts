// Peers of either protocol, in either role, that say anything, with any descriptors: each is refused, leaves nothing, and holds up nobody.
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { libc, memory, UnixListener, UnixSocket } from '@nsm/netlink';
import { LingeringSocket, requireRoot, waitFor } from '@nsm/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as memif from '../mem/memif-messages.js';
import * as vhost from '../vhost/vhost-messages.js';
import { type Role, Stage } from './shared-tap.test.stage.js';

/** A client comes back after a fifth of a second. */
const runs: Readonly<Record<Role, number>> =
  process.env.SECURITY === 'thorough' ? { server: 2000, client: 200 } : { server: 60, client: 10 };
const [F_ADD_SEALS, O_PATH, MFD_ALLOW_SEALING, MFD_HUGETLB] = [1033, 0o10000000, 2, 4];
const [sealShrink, sealAll] = [2, 31];

/** What a stranger says: bytes, and which of its descriptors go with them. */
interface Said {
  readonly bytes: Buffer;
  readonly fds: readonly number[];
}

/** Files in memory and others, as a stranger may have them. */
function makeDescriptors(folder: string): number[] {
  const sealed = (size: number, seals: number, flags = 0): number => {
    const fd = memory.memfdCreate('stranger', MFD_ALLOW_SEALING | flags);
    memory.ftruncate(fd, size);
    libc.fcntl(fd, F_ADD_SEALS, seals);
    return fd;
  };
  mkdirSync(join(folder, 'folder'), { recursive: true });
  const good = [sealed(65_536, sealShrink), libc.eventfd(0, libc.EFD_CLOEXEC)];
  const pair = new UnixListener(join(folder, 'other.sock'), 'stream');
  return [
    ...good,
    sealed(65_536, 0),
    sealed(65_536, sealAll),
    sealed(2 ** 40, sealShrink),
    sealed(0, sealShrink),
    sealed(2 << 20, sealShrink, MFD_HUGETLB),
    // EFD_SEMAPHORE
    libc.eventfd(7, libc.EFD_CLOEXEC | 1),
    libc.epollCreate(0),
    pair.fd,
    openSync(`/proc/self/fd/${good[0]}`, 'r'),
    openSync('/dev/shm', 0o20200002),
    openSync(join(folder, 'file'), 'w+'),
    openSync(join(folder, 'folder'), libc.O_DIRECTORY),
    openSync(join(folder, 'file'), O_PATH),
    ...['/proc/self/maps', '/proc/self/ns/net', '/proc/self/mem', '/dev/null', '/dev/zero'].map((path) =>
      openSync(path, 'r'),
    ),
    openSync('/dev/net/tun', 'r+'),
  ].filter((fd) => fd >= 0);
}

const sizes = fc.oneof(
  fc.constantFrom(0, 1, 64, 4096, 65_535, 65_536, 65_537, 2 ** 32, 2 ** 40, 2 ** 53, 2 ** 63),
  fc.nat(70_000),
);
const little = fc.oneof(fc.nat(3), fc.constantFrom(15, 16, 255, 65_535));
/** Now and then cut short, longer, or with another byte. */
const spoiled = (bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      bytes,
      fc.option(fc.nat(200), { freq: 6 }),
      fc.option(fc.tuple(fc.nat(60), fc.nat(255)), { freq: 3 }),
    )
    .map(([whole, length, change]) => {
      const made =
        length === null ? Buffer.from(whole) : Buffer.concat([whole, Buffer.alloc(200)]).subarray(0, length);
      if (change && change[0] < made.length) made[change[0]] = change[1];
      return made;
    });

const memifMessage: fc.Arbitrary<memif.MemifMessage> = fc.oneof(
  fc.record({ kind: fc.constantFrom('ack', 'connect', 'connected') }),
  fc.record({
    kind: fc.constant('init'),
    id: fc.constantFrom(3, 3, 3, 4),
    secret: fc.constantFrom('hush', 'hush', ''),
  }),
  fc.record({ kind: fc.constant('hello'), rings: fc.constantFrom(1, 2), log2RingSize: fc.nat(16) }),
  fc.record({ kind: fc.constant('addRegion'), index: little, size: sizes }),
  fc.record({
    kind: fc.constant('addRing'),
    toServer: fc.boolean(),
    index: fc.constantFrom(0, 0, 1),
    region: little,
    offset: fc.constantFrom(0, 0, 8, 7, 65_000, 2 ** 32 - 8),
    log2Size: fc.nat(15),
  }),
  fc.record({ kind: fc.constant('disconnect'), reason: fc.string() }),
) as fc.Arbitrary<memif.MemifMessage>;

const vhostPayload: fc.Arbitrary<Buffer> = fc.oneof(
  fc.record({ index: little, value: little }).map(vhost.encodeRingNumber),
  fc
    .record({ index: little, descriptors: sizes, used: sizes, available: sizes })
    .map(vhost.encodeRingAddresses),
  fc
    .array(fc.record({ guest: sizes, size: sizes, user: sizes, offset: sizes }), { maxLength: 9 })
    .map(vhost.encodeRegions),
  fc.constantFrom(
    vhost.encodeNumber(vhost.features.version1),
    vhost.encodeNumber(0),
    vhost.encodeNumber(256),
  ),
  fc.uint8Array({ maxLength: 48 }).map((bytes) => Buffer.from(bytes)),
);

const bytesOf: Readonly<Record<'memif' | 'vhost-user', fc.Arbitrary<Buffer>>> = {
  memif: spoiled(memifMessage.map(memif.encodeMessage)),
  'vhost-user': spoiled(
    fc
      .tuple(fc.nat(45), vhostPayload, fc.boolean())
      .map(([number, payload, reply]) => vhost.encodeMessage(number, payload, reply)),
  ),
};

const saidOf = (protocol: keyof typeof bytesOf, descriptors: readonly number[]): fc.Arbitrary<Said[]> => {
  const fd = fc.constantFrom(...descriptors, ...descriptors.slice(0, 2), ...descriptors.slice(0, 2));
  const fds = fc.oneof(
    { weight: 6, arbitrary: fc.array(fd, { maxLength: 2 }) },
    { weight: 1, arbitrary: fc.array(fd, { maxLength: 12 }) },
    { weight: 1, arbitrary: fc.array(fd, { minLength: 253, maxLength: 253 }) },
  );
  const said = fc.record({ bytes: bytesOf[protocol], fds });
  return fc.array(said, { maxLength: 8 });
};

const kinds = { memif: 'packets', 'vhost-user': 'stream' } as const;

describe.skipIf(!requireRoot('shared memory'))('strangers', () => {
  const cases = (['memif', 'vhost-user'] as const).flatMap((protocol) =>
    (['server', 'client'] as const).map((role) => [protocol, role] as const),
  );

  it.each(cases)('a %s %s outlives whatever is said to it', { timeout: 600_000 }, async (protocol, role) => {
    const stage = new Stage(protocol);
    const descriptors = makeDescriptors(stage.folder);
    const stranger = role === 'server' ? undefined : new UnixListener(stage.socket, kinds[protocol]);
    stage.wire(role, stage.left, '10.1.0.1/24');
    const before = readdirSync('/proc/self/fd').length;
    const meet = async (): Promise<UnixSocket> =>
      await waitFor(() =>
        stranger ? stranger.accept(4096) : UnixSocket.connect(stage.socket, 4096, kinds[protocol]),
      );
    await fc.assert(
      fc.asyncProperty(saidOf(protocol, descriptors), async (all) => {
        using socket = await meet();
        for (const { bytes, fds } of all) {
          try {
            socket.send(bytes, fds);
            await setImmediate();
            while (typeof socket.receive() === 'object') await setImmediate();
          } catch {
            // It has been refused already.
          }
        }
      }),
      { numRuns: runs[role], endOnFailure: true },
    );
    stranger?.close();
    await waitFor(() => readdirSync('/proc/self/fd').length <= before - (stranger ? 1 : 0), {
      what: 'no descriptor being left',
    });
    // Those of the stranger are open, and nothing of them is mapped.
    expect(readFileSync('/proc/self/maps', 'utf8')).not.toContain('memfd:stranger');
    for (const fd of descriptors) closeSync(fd);
    stage.wire(role === 'server' ? 'client' : 'server', stage.right, '10.1.0.2/24');
    await stage.connected();
    stage.close();
  });

  it.each(cases)('a %s %s is not held up by what takes a minute to close', async (protocol, role: Role) => {
    const stage = new Stage(protocol);
    const stranger = role === 'server' ? undefined : new UnixListener(stage.socket, kinds[protocol]);
    stage.wire(role, stage.left, '10.1.0.1/24');
    using lingering = await LingeringSocket.make(60);
    const socket = await waitFor(() =>
      stranger ? stranger.accept(4096) : UnixSocket.connect(stage.socket, 4096, kinds[protocol]),
    );
    const bytes = Buffer.alloc(memif.messageSize);
    // The first is received; the others are still in the socket when that is closed.
    for (let n = 0; n < 4; n++) socket.send(bytes, [lingering.fd]);
    lingering.letGo();
    socket.close();
    stranger?.close();
    stage.wire(role === 'server' ? 'client' : 'server', stage.right, '10.1.0.2/24');
    await stage.connected();
    stage.close();
  });

  it('a memif keeps nothing of an empty message', async () => {
    const stage = new Stage('memif');
    stage.wire('server', stage.left, '10.1.0.1/24');
    const before = readdirSync('/proc/self/fd').length;
    const eventfd = libc.eventfd(0, libc.EFD_CLOEXEC);
    const socket = UnixSocket.connect(stage.socket, 4096);
    socket.send(Buffer.alloc(0), [eventfd]);
    libc.close(eventfd);
    // It has been accepted.
    await waitFor(() => typeof socket.receive() === 'object');
    socket.close();
    await waitFor(() => readdirSync('/proc/self/fd').length === before, { what: 'it being closed' });
    stage.close();
  });
});
