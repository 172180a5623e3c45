// Both roles of our peers in shared memory against each other: two TAP devices in two namespaces as the ends of one wire.
import { isDeepStrictEqual } from 'node:util';
import {
  firstAnswer,
  makeNamespace,
  PacketSocket,
  ping,
  requireRoot,
  run,
  spawnIn,
  type TestNamespace,
  waitFor,
} from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Stage } from './shared-tap.test.stage.js';

const mtu = 1500;
const possible = requireRoot('shared memory and TAP devices');

describe.skipIf(!possible).each(['memif', 'vhost-user'] as const)('%s', (protocol) => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage(protocol);
  });
  afterEach(() => stage.close());

  it.each([
    ['one buffer for each packet', {}],
    ['packets in several buffers', { mtu: 9000, bufferSize: 2048 }],
    ['a ring that is soon full', { log2RingSize: 6 }],
  ])('carries packets both ways, with counters: %s', async (_what, options) => {
    const server = stage.wire('server', stage.left, '10.1.0.1/24', options);
    const client = stage.wire('client', stage.right, '10.1.0.2/24', options);
    await stage.connected();
    const size = (('mtu' in options ? options.mtu : undefined) ?? mtu) - 28;
    // More packets than any ring has slots, so that its counters go round.
    for (const [pod, to] of [
      [stage.left, '10.1.0.2'],
      [stage.right, '10.1.0.1'],
    ] as const)
      expect(await ping(pod.name, to, { count: 1200, interval: 0, size, df: true })).toMatchObject({
        received: 1200,
      });
    // What the pods say of their own accord may be on its way.
    await waitFor(() => isDeepStrictEqual(server.counted.from, client.counted.to), {
      what: 'the same counts',
    });
    await waitFor(() => isDeepStrictEqual(client.counted.from, server.counted.to), {
      what: 'the same counts',
    });
    expect(server.counted.from.packets).toBeGreaterThanOrEqual(2400);
    expect(server.counted.from.drops).toBe(0);
  });

  it('client first, server later; an end that goes and comes back', async () => {
    const client = stage.wire('client', stage.right, '10.1.0.2/24');
    expect(stage.carrier(stage.right)).toBe(false);
    const server = stage.wire('server', stage.left, '10.1.0.1/24');
    await stage.connected();
    stage.right.route.deleteLink('tap0');
    await waitFor(() => stage.gone.includes('client'), { what: 'the client noticing' });
    client.made.close();
    await waitFor(() => !stage.carrier(stage.left), { what: 'the server noticing' });
    stage.wire('client', stage.right, '10.1.0.2/24');
    await stage.connected();
    server.made.close();
    await waitFor(() => !stage.carrier(stage.right), { what: 'the client noticing' });
    stage.left.route.deleteLink('tap0');
    stage.wire('server', stage.left, '10.1.0.1/24');
    await stage.connected();
    expect((await ping(stage.left.name, '10.1.0.2', { count: 3 })).received).toBe(3);
  });

  it('drops whole, and counts, what is too large for the peer’s buffers', async () => {
    const { counted: server } = stage.wire('server', stage.left, '10.1.0.1/24');
    const { counted: client } = stage.wire('client', stage.right, '10.1.0.2/24');
    await stage.connected();
    for (const pod of [stage.left, stage.right]) pod.route.setLink('tap0', { mtu: 9000 });
    for (const [from, to, address, counted] of [
      [stage.left, stage.right, '10.1.0.2', server],
      [stage.right, stage.left, '10.1.0.1', client],
    ] as const) {
      using seen = new PacketSocket(to.namespace, to.route.link('tap0')!.index, { incoming: true });
      // The neighbours know each other: the next packet is the large one.
      expect((await ping(from.name, address)).received).toBe(1);
      seen.seen();
      expect((await ping(from.name, address, { size: 5000, deadline: 1 })).received).toBe(0);
      expect(counted.to.drops).toBe(1);
      expect((await ping(from.name, address, { count: 3 })).received).toBe(3);
      expect(seen.seen().filter(({ frame }) => frame.length > 1000)).toEqual([]);
    }
  });

  it('carries the first packets on a machine where all links are busy', async () => {
    using busy = makeNamespace('busy');
    const churn = 'while :; do ip link add x type veth peer name y; ip link set x up; ip link del x; done';
    await using _links = await spawnIn(busy.name, 'sh', ['-c', churn]);
    stage.wire('server', stage.left, '10.1.0.1/24');
    // A question about one device would let packets out: the list of all does not.
    const tapOf = (pod: TestNamespace) => pod.route.links().find(({ name }) => name === 'tap0')!;
    const frame = Buffer.concat([Buffer.from('ffffffffffff02000000000188b5', 'hex'), Buffer.alloc(46)]);
    const lost: number[] = [];
    for (let n = 0; n < 15; n++) {
      const { made } = stage.wire('client', stage.right, `10.1.0.${n + 2}/24`);
      using receiver = new PacketSocket(stage.right.namespace, tapOf(stage.right).index, { type: 0x88b5 });
      using sender = new PacketSocket(stage.left.namespace, tapOf(stage.left).index);
      await waitFor(() => tapOf(stage.left).lowerUp, { what: 'a carrier', interval: 0 });
      for (let m = 0; m < 20; m++) sender.send(frame);
      let seen = 0;
      const all = (): boolean => {
        seen += receiver.seen().length;
        return seen === 20;
      };
      await waitFor(all, { timeout: 1_000 }).catch(() => lost.push(20 - seen));
      made.close();
      stage.right.route.deleteLink('tap0');
      await waitFor(() => !tapOf(stage.left).lowerUp, { what: 'the server noticing' });
    }
    expect(lost).toEqual([]);
  });

  it('carries IPv6 and TCP', async () => {
    stage.wire('server', stage.left, '10.1.0.1/24');
    stage.wire('client', stage.right, '10.1.0.2/24');
    await stage.connected();
    for (const [pod, address] of [
      [stage.left, 'fd00::1/64'],
      [stage.right, 'fd00::2/64'],
    ] as const)
      pod.route.addAddress(pod.route.link('tap0')!.index, { address, nodad: true });
    // Neighbour discovery takes its time on a busy node.
    await firstAnswer(stage.left.name, 'fd00::2');
    expect((await ping(stage.left.name, 'fd00::2', { count: 3, interval: 0.01 })).received).toBe(3);
    const receive =
      'let n=0;require("net").createServer(s=>{s.on("data",d=>n+=d.length);s.on("end",()=>{console.log(n);process.exit()})}).listen(7)';
    await using receiver = await spawnIn(stage.left.name, process.execPath, ['-e', receive]);
    const send =
      'const s=require("net").connect(7,"10.1.0.1",()=>s.end(Buffer.alloc(2e7)));s.on("error",()=>process.exit(1))';
    await waitFor(async () => run(stage.right.name, process.execPath, ['-e', send]).then(() => true), {
      interval: 100,
    });
    await receiver.exited;
    expect(receiver.output().trim()).toBe('20000000');
  });
});
