// The kernel's vxlan device gets packets of its peer only, and tells the pod what does not fit.
import { TunnelType } from '@nsm/api';
import { leaks, PacketSocket, ping, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { mapsOn } from '../../bpf/standing-programs.test.tool.js';
import { fixChecksum, fragmented, fromElsewhere, ofAnother } from '../frames.test.tool.js';
import { transfer } from '../transfer.test.tool.js';
import {
  half,
  identifier,
  join,
  podAddresses,
  ports,
  type Stage,
  shareStage,
  startIn,
  underlayAddresses,
} from '../tunnel.test.mesh.js';

afterAll(() => expect(leaks()).toEqual([]));

/** Bytes of UDP and VXLAN header up to the last of the VNI. */
const vniEnd = 14;

describe.skipIf(!requireRoot('vxlan device'))('the kernel’s vxlan device', () => {
  const shared = shareStage([{ vxlanEngine: 'kernel' }, { vxlanEngine: 'kernel' }]);
  let stage: Stage;
  beforeEach(() => {
    stage = shared.stage;
  });

  it.each([
    [4, 14 + 20],
    [6, 14 + 40],
  ] as const)('gets nothing that is not right, which is counted: IPv%i below', async (version, below) => {
    // Of the whole node, too.
    shared.changeNodes();
    const { mtu } = await join(stage, TunnelType.VXLAN, version);
    const [client, endpoint] = stage.pods;
    const under = stage.nodes.map(({ route }) => route.link('under')!.index);
    using wire = new PacketSocket(stage.nodes[0].namespace, under[0]!);
    using attacker = new PacketSocket(stage.nodes[1].namespace, under[1]!, { bypass: true });
    using pod = new PacketSocket(client.namespace, client.route.link('nsm0')!.index);
    const drops = async (): Promise<Record<string, bigint>> => {
      const crossConnect = half(stage, 0, TunnelType.VXLAN, version, mtu);
      const { drops } = await stage.threads[0].client.getStatistics({ crossConnect });
      // What it sends before the other end is there is lost.
      return Object.fromEntries(Object.entries(drops).filter(([reason]) => reason.startsWith('received')));
    };
    await ping(client.name, podAddresses[4][1]);
    const marked = (frame: Buffer): boolean => frame.includes(Buffer.from('c0ffee44', 'hex'));
    await run(endpoint.name, 'ping', ['-c', '1', '-p', 'c0ffee44', podAddresses[4][0]]);
    const good = await wire.receive(
      (frame) => frame.length > 140 && marked(frame),
      'a packet of the endpoint',
    );
    await pod.receive(marked, 'the packet in the pod');
    expect(await drops()).toEqual({});

    const bad: readonly (readonly [string, Buffer])[] = [
      ['received, wrong source address', fromElsewhere(good)],
      ['received, truncated', good.subarray(0, -10)],
      ['received, fragmented', fragmented(good)],
    ];
    for (const [reason, frame] of bad) {
      attacker.send(frame);
      await waitFor(async () => (await drops())[reason] === 1n, { what: reason });
    }
    const lastByte = (frame: Buffer, value: number): Buffer => {
      const copy = Buffer.from(frame);
      copy[copy.length - 1] = value;
      // With a checksum of 0 there is none to be made right (RFC 768, RFC 6935).
      copy.writeUInt16BE(0, below + 6);
      return copy;
    };
    attacker.send(lastByte(ofAnother(good, below + vniEnd), 1));
    attacker.send(lastByte(good, 2));
    const first = await pod.receive((frame) => marked(frame) && frame.at(-1)! < 3, 'a packet that is let in');
    expect(first.at(-1)).toBe(2);
    const unknown = 'received by the whole node, unknown identifier';
    const cutAfter = (bytes: number): Buffer => {
      const copy = Buffer.from(good.subarray(0, below + 8 + bytes));
      copy.writeUInt16BE(8 + bytes, below + 4);
      copy.writeUInt16BE(0, below + 6);
      copy.writeUInt16BE(version === 4 ? copy.length - 14 : copy.length - below, version === 4 ? 16 : 18);
      return version === 4 ? fixChecksum(copy) : copy;
    };
    const headless = 'received by the whole node, truncated';
    attacker.send(cutAfter(5));
    await waitFor(async () => (await drops())[headless] === 1n, { what: headless });
    const all = [...bad.map(([reason]) => reason), unknown, headless];
    expect(await drops()).toEqual(Object.fromEntries(all.map((reason) => [reason, 1n])));
    // No room for the inner Ethernet header.
    attacker.send(cutAfter(18));
    await waitFor(async () => (await drops())['received, truncated'] === 2n, { what: 'one more truncated' });
    const crossConnect = half(stage, 0, TunnelType.VXLAN, version, mtu);
    const { receivedDrops } = await stage.threads[0].client.getStatistics({ crossConnect });
    expect(receivedDrops).toBe(BigInt(bad.length + 1));

    // Another network of the node gets what is its own, by the same port.
    const { route } = stage.nodes[0];
    const [local, remote] = underlayAddresses[version];
    const port = ports[TunnelType.VXLAN];
    const others = { kind: 'vxlan', name: 'others', id: identifier ^ 0x10, local, remote, port } as const;
    route.addLink({ ...others, zeroChecksum6Rx: version === 6, up: true });
    const theirs = (): number => route.link('others')!.statistics!.rxPackets;
    const before = theirs();
    const counted = async (): Promise<boolean> => {
      const { [unknown]: count } = await drops();
      attacker.send(lastByte(ofAnother(good, below + vniEnd), 1));
      return (await drops())[unknown] !== count;
    };
    await waitFor(async () => !(await counted()), { what: 'a packet that is left to the other network' });
    await waitFor(() => theirs() > before, { what: 'its arrival there' });
    route.deleteLink('others');
    await waitFor(counted, { what: 'one more that nobody wants' });
  });

  it('is checked by its own forwarder whatever another in the same node begins and ends beside it', async () => {
    const { mtu } = await join(stage, TunnelType.VXLAN, 4);
    const [{ route, namespace }, other] = stage.nodes;
    const under = route.link('under')!.index;
    using attacker = new PacketSocket(other.namespace, other.route.link('under')!.index, { bypass: true });
    using wire = new PacketSocket(namespace, under);
    const [client, endpoint] = stage.pods;
    const marked = (frame: Buffer): boolean =>
      frame.length > 140 && frame.includes(Buffer.from('c0ffee44', 'hex'));
    await ping(client.name, podAddresses[4][1]);
    await run(endpoint.name, 'ping', ['-c', '1', '-p', 'c0ffee44', podAddresses[4][0]]);
    const bad = fromElsewhere(await wire.receive(marked, 'a packet of the endpoint'));
    const refused = async (): Promise<bigint> => {
      const crossConnect = half(stage, 0, TunnelType.VXLAN, 4, mtu);
      const { drops } = await stage.threads[0].client.getStatistics({ crossConnect });
      return drops['received, wrong source address'] ?? 0n;
    };
    attacker.send(bad);
    await waitFor(async () => (await refused()) === 1n, { what: 'a packet that is refused' });

    // Nobody looks after what it takes away: the one that is looked at has no time to mend anything.
    const beside = await startIn(stage.nodes[0], { runDir: '/run/beside', vxlanEngine: 'kernel' });
    const entries = (): string[] => {
      const maps = mapsOn(stage.nodes[0], 'under');
      try {
        return [...maps].flatMap(([name, map]) => map.keys().map((key) => `${name} ${key.toString('hex')}`));
      } finally {
        for (const map of maps.values()) map.close();
      }
    };
    const before = entries();
    expect(before).toHaveLength(4);
    try {
      for (const type of [TunnelType.GRE, TunnelType.VXLAN]) {
        const more = { id: 'beside:x-1', name: 'nsm7', identifier: 77, addresses: [] };
        const crossConnect = half(stage, 0, type, 4, mtu, more);
        await beside.client.apply(crossConnect);
        await beside.client.remove({ crossConnects: [crossConnect] });
        await waitFor(() => entries().length <= before.length, { what: 'the end of the other tunnel' });
        expect(entries()).toEqual(before);
      }
    } finally {
      await beside.stop();
    }
    expect(entries()).toEqual(before);
    expect(await refused()).toBe(1n);
    attacker.send(bad);
    await waitFor(async () => (await refused()) === 2n, { what: 'another one that is refused' });
    expect(await ping(client.name, podAddresses[4][1])).toMatchObject({ received: 1 });
  });

  it('leaves it to eBPF where somebody else has the UDP port, and what eBPF carries stays there', async () => {
    const [{ route }] = stage.nodes;
    route.addLink({ kind: 'vxlan', name: 'others', external: true, port: ports[TunnelType.VXLAN], up: true });
    const { halves } = await join(stage, TunnelType.VXLAN, 4);
    const [client, endpoint] = stage.pods;
    const device = client.route.link('nsm0')!;
    expect([device.kind, endpoint.route.link('nsm0')!.kind]).toEqual(['veth', 'vxlan']);
    expect(await ping(client.name, podAddresses[4][1])).toMatchObject({ received: 1 });
    await stage.threads[0].client.apply(halves[0]);
    route.deleteLink('others');
    await stage.threads[0].client.apply(halves[0]);
    expect(client.route.link('nsm0')).toMatchObject({ index: device.index, kind: 'veth' });
    expect(await ping(client.name, podAddresses[4][1])).toMatchObject({ received: 1 });
  });

  it('gives the pod an MTU that fits, so that the pod’s own kernel answers what is too large', async () => {
    await join(stage, TunnelType.VXLAN, 4);
    const [client] = stage.pods;
    expect(client.route.link('nsm0')).toMatchObject({ kind: 'vxlan', mtu: 1450 });
    const { output } = await ping(client.name, podAddresses[4][1], { size: 1423, df: true });
    expect(output).toMatch(/message too long, mtu[=:] ?1450/);
  });

  it('tells a pod that raises its MTU what fits all the same, and TCP goes on', async () => {
    await join(stage, TunnelType.VXLAN, 4);
    const { pods } = stage;
    for (const { route } of pods) route.setLink('nsm0', { mtu: 1500 });
    for (const [inner, headers] of [
      [4, 28],
      [6, 48],
    ] as const) {
      const address = podAddresses[inner][1];
      // The kernel remembers it for the address when the first one does not fit.
      const { output, received } = await ping(pods[0].name, address, {
        count: 3,
        interval: 0.1,
        deadline: 1,
        size: 1500 - headers,
        df: true,
      });
      expect(received).toBe(0);
      expect(output).toMatch(/mtu[=:] ?1450/);
      expect(await ping(pods[0].name, address, { size: 1450 - headers, df: true })).toMatchObject({
        received: 1,
      });
      const crossConnect = half(stage, 0, TunnelType.VXLAN, 4, 1500);
      const { sentDrops, drops } = await stage.threads[0].client.getStatistics({ crossConnect });
      // A packet of the other pod may have come before there was a tunnel for it.
      const { 'received by the whole node, unknown identifier': _early, ...others } = drops;
      expect(others).toEqual({ 'sent, too large or without a way': sentDrops });
      await run(pods[0].name, 'ip', [`-${inner}`, 'route', 'flush', 'cache']);
      expect(await transfer(pods[0], pods[1], [address], 1_000_000)).toEqual([address]);
    }
  });
});
