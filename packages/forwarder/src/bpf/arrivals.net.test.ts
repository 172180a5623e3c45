// Packets of tunnels by whatever device they come to a node: taken there as Linux takes them, and their sender checked.
import { TunnelType } from '@nsm/api';
import { libc, openTap } from '@nsm/netlink';
import {
  firstAnswer,
  leaks,
  PacketSocket,
  ping,
  requireRoot,
  run,
  type TestNamespace,
  tried,
  waitFor,
} from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromAnotherHost, fromElsewhere } from '../tunnels/frames.test.tool.js';
import {
  half,
  identifier,
  join,
  makeStage,
  missingKinds,
  podAddresses,
  type Stage,
  underlayAddresses,
} from '../tunnels/tunnel.test.mesh.js';
import { hooked } from './standing-programs.test.tool.js';

afterAll(() => expect(leaks()).toEqual([]));

const { VXLAN, GRE, MPLSoUDP, MPLSoEthernet } = TunnelType;
const rooted = requireRoot('arrivals');
const [missing = ''] = rooted ? (await missingKinds()).values() : [];
if (missing) process.stderr.write(`SKIPPED arrivals: ${missing}\n`);

/** A second link between the nodes, with 10.10.0.0/24 and fd10::/64. */
const addSecondLink = async ({ nodes: [a, b] }: Stage): Promise<void> => {
  // No neighbour is asked for while the link-local address is tried for duplicates.
  for (const { name } of [a, b]) await run(name, 'sysctl', ['-q', 'net.ipv6.conf.default.accept_dad=0']);
  a.route.addLink({
    kind: 'veth',
    name: 'second',
    up: true,
    peer: { name: 'second', namespace: b.namespace, up: true },
  });
  for (const [n, { route }] of [a, b].entries())
    for (const address of [`10.10.0.${n + 1}/24`, `fd10::${n + 1}/64`])
      route.addAddress(route.link('second')!.index, { address, nodad: true });
};

const deviceOf = (node: TestNamespace, name: string): number => node.route.link(name)!.index;

const macOf = (node: TestNamespace, name: string): Buffer =>
  Buffer.from(node.route.link(name)!.mac!.replaceAll(':', ''), 'hex');

const isGuarded = (node: TestNamespace, name: string): boolean =>
  hooked(node, name, (hooks, device) => hooks.ours(device, 'ingress') !== undefined);

describe.skipIf(!rooted || missing !== '')('arrivals', () => {
  let stage: Stage;
  afterEach(async () => await stage.remove());

  describe.each(['ebpf', 'kernel'] as const)('VXLAN by %s, and others', (vxlanEngine) => {
    beforeEach(async () => {
      stage = await makeStage([{ vxlanEngine }, { vxlanEngine }]);
    });

    // Each kind over one version, thoroughly over both.
    const ways = (vxlanEngine === 'ebpf' ? [VXLAN, GRE, MPLSoUDP] : [VXLAN]).flatMap((type, n) =>
      ([4, 6] as const).map((version) => ({ type, n, version })),
    );
    const first = vxlanEngine === 'ebpf' ? 0 : 1;
    it.each(tried(ways, ({ n, version }) => version === ((n + first) % 2 === 0 ? 4 : 6)))(
      '$type over IPv$version come back by another link than the one that is sent by',
      async ({ type, version }) => {
        await addSecondLink(stage);
        const { nodes, pods } = stage;
        for (const name of nodes.map((node) => node.name))
          for (const scope of ['all', 'default', 'under', 'second'])
            await run(name, 'sysctl', ['-q', `net.ipv4.conf.${scope}.rp_filter=0`]);
        await join(stage, type, version);
        const gateway = version === 4 ? '10.10.0.1' : 'fd10::1';
        await firstAnswer(nodes[1].name, gateway, {
          what: 'the second link',
        });
        // Node 1 sends by the second link, node 0 by the first.
        const [own] = underlayAddresses[version];
        nodes[1].route.addRoute({
          destination: `${own}/${version === 4 ? 32 : 128}`,
          gateway,
          source: underlayAddresses[version][1],
        });
        using second = new PacketSocket(nodes[1].namespace, deviceOf(nodes[1], 'second'), { bypass: true });
        let byTheSecond = false;
        await waitFor(
          async () => {
            await run(pods[1].name, 'ping', ['-c', '1', '-W', '1', '-p', 'c0ffee77', podAddresses[4][0]]);
            byTheSecond ||= second.seen().some(({ frame }) => frame.includes(Buffer.from('c0ffee77', 'hex')));
            return byTheSecond;
          },
          { what: 'its packets by the second link' },
        );
        for (const inner of [4, 6] as const)
          for (const n of [0, 1] as const)
            expect(await ping(pods[n].name, podAddresses[inner][1 - n]!)).toMatchObject({ received: 1 });
      },
    );

    it('the sender is checked on every device: a second link, the loopback device, one that comes later', async () => {
      const { nodes, pods, threads } = stage;
      const type = VXLAN;
      const { mtu } = await join(stage, type, 4);
      const crossConnect = half(stage, 0, type, 4, mtu);
      await addSecondLink(stage);
      const [node, attacker] = nodes;
      await waitFor(() => isGuarded(node, 'second'), { what: 'the program on the new device' });
      attacker.route.addAddress(deviceOf(attacker, 'second'), { address: '10.10.0.66/24' });
      attacker.route.addRoute({ destination: '10.9.0.1/32', gateway: '10.10.0.1', source: '10.10.0.66' });
      const refused = async (): Promise<bigint> =>
        (await threads[0].client.getStatistics({ crossConnect })).drops['received, wrong source address'] ??
        0n;
      using pod = new PacketSocket(pods[0].namespace, deviceOf(pods[0], 'nsm0'));
      const inject = async (from: TestNamespace): Promise<void> => {
        const before = await refused();
        await waitFor(
          async () => {
            sendDatagram(from, '10.9.0.1', injection);
            return (await refused()) > before;
          },
          { what: `a packet from ${from.name} refused` },
        );
      };
      await inject(attacker);
      await inject(node);
      const marked = Buffer.from('c0ffee99', 'hex');
      await run(pods[1].name, 'ping', ['-c', '1', '-p', 'c0ffee99', podAddresses[4][0]]);
      const types: number[] = [];
      await pod.receive((frame) => {
        types.push(frame.readUInt16BE(12));
        return frame.includes(marked);
      }, 'a packet of the other pod');
      expect(types).not.toContain(0x88b5);
    });
  });

  it.each([
    [VXLAN, 4],
    [GRE, 6],
  ] as const)(
    '%s over IPv%s comes by a device without Ethernet, and its sender is checked',
    async (type, version) => {
      stage = await makeStage();
      const { nodes, pods, threads } = stage;
      const { mtu } = await join(stage, type, version);
      const crossConnect = half(stage, 0, type, version, mtu);
      using tun = openTap({ kind: 'tun', name: 'tun0', namespace: nodes[0].namespace });
      nodes[0].route.setLink('tun0', { up: true });
      await waitFor(() => isGuarded(nodes[0], 'tun0'), { what: 'the program on the new device' });
      using wire = new PacketSocket(nodes[0].namespace, deviceOf(nodes[0], 'under'));
      const marked = (frame: Buffer): boolean =>
        frame.length > 130 && frame.includes(Buffer.from('c0ffeeaa', 'hex'));
      await ping(pods[1].name, podAddresses[4][0]);
      await run(pods[1].name, 'ping', ['-c', '1', '-p', 'c0ffeeaa', podAddresses[4][0]]);
      const good = await wire.receive(marked, 'a packet of the other node');
      using pod = new PacketSocket(pods[0].namespace, deviceOf(pods[0], 'nsm0'), { incoming: true });
      const write = (frame: Buffer): void => {
        const packet = frame.subarray(14);
        expect(libc.write(tun.fd, packet, packet.length)).toBe(packet.length);
      };
      const refused = async (): Promise<bigint> =>
        (await threads[0].client.getStatistics({ crossConnect })).drops['received, wrong source address'] ??
        0n;
      write(fromElsewhere(good));
      await waitFor(async () => (await refused()) === 1n, { what: 'a packet that is refused' });
      expect(pod.seen().filter(({ frame }) => frame.includes(Buffer.from('c0ffeeaa', 'hex')))).toEqual([]);
      write(good);
      const inner = await pod.receive(
        (frame) => frame.includes(Buffer.from('c0ffeeaa', 'hex')),
        'the packet in the pod',
      );
      expect(inner).toEqual(good.subarray(-inner.length));
    },
  );

  it('another program’s filter that ends the chain does not silence tunnels, before or after they are made', async () => {
    stage = await makeStage();
    const { nodes, pods } = stage;
    const [, { route }] = nodes;
    const device = deviceOf(nodes[1], 'under');
    const takeLabels = (priority: number): void =>
      route.addFilter({
        kind: 'u32',
        device,
        parent: 'ingress',
        priority,
        protocol: 0x8847,
        actions: [{ kind: 'redirect', device: 1 }],
      });
    route.addQdisc({ kind: 'clsact', device });
    takeLabels(5);
    await join(stage, MPLSoEthernet, 4);
    expect(await ping(pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
    takeLabels(2);
    await firstAnswer(pods[0].name, podAddresses[4][1], {
      what: 'an answer',
    });
    const { tunnels } = await stage.threads[1].client.getCapabilities({});
    expect(tunnels.flatMap(({ obstacles }) => obstacles)).toEqual([]);
  });

  /** Node 1 sends by a second link, node 0 by the first. @returns what counts refusals of node 0. */
  const joinAsymmetric = async (type: TunnelType): Promise<() => Promise<bigint>> => {
    stage = await makeStage();
    const { nodes, pods, threads } = stage;
    await addSecondLink(stage);
    for (const { name } of nodes)
      for (const scope of ['all', 'default', 'under', 'second'])
        await run(name, 'sysctl', ['-q', `net.ipv4.conf.${scope}.rp_filter=0`]);
    const { mtu } = await join(stage, type, 4);
    await ping(pods[0].name, podAddresses[4][1]);
    // Right on the link: the other node answers for its address there, too.
    nodes[1].route.addRoute({
      destination: '10.9.0.1/32',
      device: deviceOf(nodes[1], 'second'),
      source: '10.9.0.2',
    });
    const crossConnect = half(stage, 0, type, 4, mtu);
    return async () =>
      (await threads[0].client.getStatistics({ crossConnect })).drops['received, wrong source address'] ?? 0n;
  };

  it('labels come back by another link than the one that is sent by, from the other node alone', async () => {
    const refused = await joinAsymmetric(MPLSoEthernet);
    const { nodes, pods } = stage;
    using second = new PacketSocket(nodes[1].namespace, deviceOf(nodes[1], 'second'), { bypass: true });
    await firstAnswer(pods[0].name, podAddresses[4][1], {
      what: 'an answer by the second link',
    });
    expect(await ping(pods[0].name, podAddresses[4][1], { count: 20 })).toMatchObject({ received: 20 });
    expect(await ping(pods[1].name, podAddresses[4][0], { count: 20 })).toMatchObject({ received: 20 });
    await run(pods[1].name, 'ping', ['-c', '1', '-p', 'c0ffeebb', podAddresses[4][0]]);
    const marked = Buffer.from('c0ffeebb', 'hex');
    const good = await second.receive((frame) => frame.includes(marked), 'a frame by the second link');
    const before = await refused();
    using pod = new PacketSocket(pods[0].namespace, deviceOf(pods[0], 'nsm0'), { incoming: true });
    // Neither a host of that link, nor one of another that has the address which the other node has on the first.
    second.send(fromAnotherHost(good));
    second.send(Buffer.concat([good.subarray(0, 6), macOf(nodes[1], 'under'), good.subarray(12)]));
    await waitFor(async () => (await refused()) === before + 2n, { what: 'two frames that are refused' });
    // Whoever passes for it on a third link passes for it there alone, and pushes nobody out.
    nodes[0].route.addLink({ kind: 'veth', name: 'third', up: true, peer: { name: 'third-peer', up: true } });
    const third = deviceOf(nodes[0], 'third');
    for (let n = 0; n < 40; n++)
      nodes[0].route.addNeighbour(
        { address: '10.9.0.2', device: third, mac: `02:00:00:00:66:${String(10 + n)}`, state: 'stale' },
        { replace: true },
      );
    expect(await ping(pods[0].name, podAddresses[4][1], { count: 20 })).toMatchObject({ received: 20 });
    expect(pod.seen().filter(({ frame }) => frame.includes(marked))).toEqual([]);
  });

  it('reverse path filtering that is set and taken back on a device holds at once', async () => {
    const refused = await joinAsymmetric(VXLAN);
    const { nodes, pods } = stage;
    const answered = async (): Promise<boolean> =>
      (await ping(pods[0].name, podAddresses[4][1], { deadline: 0.2 })).received === 1;
    await waitFor(answered, { what: 'an answer by the second link' });
    // A device that filters does not answer for the address either: it is known all the while.
    const [device, mac] = [deviceOf(nodes[1], 'second'), nodes[0].route.link('second')!.mac];
    nodes[1].route.addNeighbour({ address: '10.9.0.1', device, mac }, { replace: true });
    for (const scope of ['second', 'all']) {
      const set = (value: 0 | 1): Promise<string> =>
        run(nodes[0].name, 'sysctl', ['-q', `net.ipv4.conf.${scope}.rp_filter=${value}`]);
      const before = await refused();
      await set(1);
      await waitFor(async () => !(await answered()) && (await refused()) > before, { what: 'refusals' });
      await set(0);
      await waitFor(answered, { what: 'an answer again' });
    }
  });
});

/** A frame of EtherType 0x88b5 to everyone, in VXLAN. */
const injection = Buffer.concat([
  Buffer.from(`08000000${identifier.toString(16).padStart(6, '0')}00`, 'hex'),
  Buffer.from(`ffffffffffff02000000006688b5${'00'.repeat(50)}`, 'hex'),
]);

/** A datagram to UDP port 4789, as any program sends it. */
function sendDatagram({ namespace }: TestNamespace, address: string, payload: Buffer): void {
  const AF_INET = 2;
  const SOCK_DGRAM = 2;
  const fd = namespace.run(() => libc.socket(AF_INET, SOCK_DGRAM | libc.SOCK_CLOEXEC, 0));
  try {
    const to = Buffer.alloc(16);
    to.writeUInt16LE(AF_INET, 0);
    to.writeUInt16BE(4789, 2);
    to.set(address.split('.').map(Number), 4);
    const connected = libc.connect(fd, to, to.length);
    if (connected < 0) throw new Error(`connect: ${libc.errorText(-connected)}`);
    libc.send(fd, payload, payload.length, 0);
  } finally {
    libc.close(fd);
  }
}
