// Both roles of our memif against each other: two TAP devices in two namespaces joined by shared memory.
import { mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { libc, openTap, PacketSocket, Poller, SharedMemory } from '@nsm/netlink';
import { makeNamespace, ping, requireRoot, run, spawnIn, type TestNamespace, waitFor } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage, messageSize } from './memif-messages.js';
import { MemifTap } from './memif-tap.js';

const mtu = 1500;

describe.skipIf(!requireRoot('memif'))('memif', () => {
  let folder: string;
  let socket: string;
  let poller: Poller;
  let left: TestNamespace;
  let right: TestNamespace;
  const wires: MemifTap[] = [];
  /** Roles of wires whose TAP device was deleted. */
  const gone: string[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsmt-memif-'));
    socket = join(folder, 'memif.sock');
    poller = new Poller();
    left = makeNamespace('left');
    right = makeNamespace('right');
  });
  afterEach(() => {
    for (const wire of wires.splice(0)) wire.close();
    poller.close();
    left.remove();
    right.remove();
    rmSync(folder, { recursive: true });
  });

  const counters = () => ({
    from: { packets: 0, bytes: 0, drops: 0 },
    to: { packets: 0, bytes: 0, drops: 0 },
  });
  /** A TAP device at one end of a memif. */
  const wire = (
    role: 'server' | 'client',
    pod: TestNamespace,
    address: string,
    options: {
      readonly log2RingSize?: number;
      readonly bufferSize?: number;
      readonly mtu?: number;
      readonly secret?: string;
    } = {},
  ) => {
    const size = options.mtu ?? mtu;
    pod.route.addLink({ kind: 'tap', name: 'tap0', mtu: size, up: true });
    pod.route.addAddress(pod.route.link('tap0')!.index, { address });
    const counted = counters();
    const { log2RingSize = 10, bufferSize = 2048, secret = 'hush' } = options;
    const made = new MemifTap(
      {
        ...{ role, socket, id: 3, secret, log2RingSize, bufferSize },
        largestFrame: size + 18,
        tap: openTap({ kind: 'tap', name: 'tap0', namespace: pod.namespace }).fd,
      },
      poller,
      counted,
      () => gone.push(role),
    );
    wires.push(made);
    return { made, counted };
  };
  const carrier = (pod: TestNamespace): boolean => pod.route.link('tap0')?.lowerUp === true;
  const connected = () =>
    waitFor(() => carrier(left) && carrier(right), { what: 'both ends having a carrier' });

  it.each([
    ['one buffer for each packet', {}],
    ['packets in several buffers', { mtu: 9000, bufferSize: 2048 }],
    ['a ring that is soon full', { log2RingSize: 6 }],
  ])('carries packets both ways, with counters: %s', async (_what, options) => {
    const server = wire('server', left, '10.1.0.1/24', options);
    const client = wire('client', right, '10.1.0.2/24', options);
    await connected();
    const size = (('mtu' in options ? options.mtu : undefined) ?? mtu) - 28;
    // More packets than any ring has slots, so that its counters go round.
    for (const [pod, to] of [
      [left, '10.1.0.2'],
      [right, '10.1.0.1'],
    ] as const)
      expect(await ping(pod.name, to, { count: 1200, interval: 0, size, df: true })).toMatchObject({
        received: 1200,
      });
    expect(server.counted.from).toEqual(client.counted.to);
    expect(client.counted.from).toEqual(server.counted.to);
    expect(server.counted.from.packets).toBeGreaterThanOrEqual(2400);
    expect(server.counted.from.drops).toBe(0);
  });

  it('client first, server later; an end that goes and comes back', async () => {
    const client = wire('client', right, '10.1.0.2/24');
    expect(carrier(right)).toBe(false);
    const server = wire('server', left, '10.1.0.1/24');
    await connected();
    right.route.deleteLink('tap0');
    await waitFor(() => gone.includes('client'), { what: 'the client noticing' });
    client.made.close();
    await waitFor(() => !carrier(left), { what: 'the server noticing' });
    wire('client', right, '10.1.0.2/24');
    await connected();
    server.made.close();
    await waitFor(() => !carrier(right), { what: 'the client noticing' });
    left.route.deleteLink('tap0');
    wire('server', left, '10.1.0.1/24');
    await connected();
    expect((await ping(left.name, '10.1.0.2', { count: 3 })).received).toBe(3);
  });

  it('carries TCP', async () => {
    wire('server', left, '10.1.0.1/24');
    wire('client', right, '10.1.0.2/24');
    await connected();
    const receive =
      'let n=0;require("net").createServer(s=>{s.on("data",d=>n+=d.length);s.on("end",()=>{console.log(n);process.exit()})}).listen(7)';
    await using receiver = await spawnIn(left.name, process.execPath, ['-e', receive]);
    const send =
      'const s=require("net").connect(7,"10.1.0.1",()=>s.end(Buffer.alloc(2e7)));s.on("error",()=>process.exit(1))';
    await waitFor(async () => run(right.name, process.execPath, ['-e', send]).then(() => true), {
      interval: 100,
    });
    await receiver.exited;
    expect(receiver.output().trim()).toBe('20000000');
  });

  it('tells a stranger why it is refused, keeps nothing of it, and stays for the right one', async () => {
    wire('server', left, '10.1.0.1/24');
    using memory = SharedMemory.create('test', 65_536);
    const file = openSync(join(folder, 'file'), 'w+');
    const eventfd = libc.eventfd(0, libc.EFD_CLOEXEC);
    type Said = readonly [message: Parameters<typeof encodeMessage>[0], fd?: number];
    const init: Said = [{ kind: 'init', id: 3, secret: 'hush' }];
    const region: Said = [{ kind: 'addRegion', index: 0, size: 65_536 }, memory.fd];
    const ring = { kind: 'addRing', toServer: true, index: 0, region: 0, offset: 0, log2Size: 8 } as const;
    const refusals: readonly (readonly [readonly Said[], RegExp])[] = [
      [[[{ kind: 'init', id: 4, secret: 'hush' }]], /number 3, not 4/],
      [[[{ kind: 'init', id: 3, secret: 'guess' }]], /secret is wrong/],
      [[[{ kind: 'connect' }]], /connect before init/],
      [[init, [{ kind: 'connect' }]], /without a ring each way/],
      [[init, [{ kind: 'addRegion', index: 0, size: 4096 }]], /without its descriptor/],
      [[init, [{ kind: 'addRegion', index: 0, size: 4096 }, file]], /not sealed against shrinking/],
      [[init, [{ kind: 'addRegion', index: 0, size: 65_537 }, memory.fd]], /smaller than announced/],
      [[init, [{ kind: 'addRegion', index: 0, size: 2 ** 40 }, memory.fd]], /region of more than/],
      [[init, [{ kind: 'addRegion', index: 1, size: 65_536 }, memory.fd]], /out of order/],
      [[init, region, [ring, file]], /no eventfd/],
      [[init, region, [{ ...ring, offset: 65_536 - 64 }, eventfd]], /outside of it/],
      [[init, region, [{ ...ring, log2Size: 30 }, eventfd]], /outside of it/],
      [[init, region, [ring, eventfd]], /without its cookie/],
    ];
    const before = readdirSync('/proc/self/fd').length;
    for (const [said, expected] of refusals) {
      using stranger = PacketSocket.connect(socket, messageSize);
      const hear = () =>
        waitFor(() => {
          const packet = stranger.receive();
          return packet === 'nothing' ? undefined : packet;
        });
      expect(decodeMessage((await hear()).data)).toMatchObject({ kind: 'hello', rings: 1 });
      for (const [index, [message, fd]] of said.entries()) {
        stranger.send(encodeMessage(message), fd === undefined ? [] : [fd]);
        if (index < said.length - 1) expect(decodeMessage((await hear()).data)).toEqual({ kind: 'ack' });
      }
      expect(decodeMessage((await hear()).data)).toMatchObject({
        kind: 'disconnect',
        reason: expect.stringMatching(expected),
      });
    }
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    for (const fd of [file, eventfd]) libc.close(fd);
    wire('client', right, '10.1.0.2/24');
    await connected();
  });
});
