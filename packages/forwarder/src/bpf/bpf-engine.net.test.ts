// The eBPF engine beyond a single tunnel: restarts, removal, the kernel's own VXLAN as peer, chains, collisions.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TunnelType, tunnelNames } from '@nsm/api';
import { type BpfMap, BpfObject, describeProgram } from '@nsm/netlink';
import {
  firstAnswer,
  ipJson,
  leaks,
  makeNamespace,
  PacketSocket,
  ping,
  requireRoot,
  run,
  spawnIn,
  type TestNamespace,
  thorough,
  waitFor,
} from '@nsm/testkit';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { fixChecksum } from '../tunnels/frames.test.tool.js';
import { transfer } from '../tunnels/transfer.test.tool.js';
import {
  half,
  join,
  kinds,
  makeStage,
  missingKinds,
  podAddresses,
  type Stage,
  shareStage,
  startIn,
  underlayAddresses,
} from '../tunnels/tunnel.test.mesh.js';
import { hooked, mapsOn } from './standing-programs.test.tool.js';

afterAll(() => expect(leaks()).toEqual([]));

const { VXLAN, GRE, MPLSoUDP, MPLSoEthernet } = TunnelType;
const rooted = requireRoot('eBPF engine');
const [missing = ''] = rooted ? (await missingKinds()).values() : [];
if (missing) process.stderr.write(`SKIPPED eBPF engine: ${missing}\n`);

const object = fileURLToPath(new URL('../../bpf/tunnel.bpf.o', import.meta.url));

/** So many, a hundred in a second at most, while forwarders restart. */
const pings = thorough ? 300 : 150;

const macOf = (node: TestNamespace, name: string): Buffer =>
  Buffer.from(node.route.link(name)!.mac!.replaceAll(':', ''), 'hex');

/** Programs of ours on a device, `ingress` before `egress`. */
const programsOn = (node: TestNamespace, name: string): string[] =>
  hooked(node, name, (hooks, device) => hooks.find([device]).map((one) => `${one.name} #${one.id}`));
const unnumbered = (programs: readonly string[]): string[] =>
  programs.map((program) => program.replace(/ #.*/, ''));

describe.skipIf(!rooted || missing !== '')('eBPF engine', () => {
  const shared = shareStage();
  let stage: Stage;
  beforeEach(() => {
    stage = shared.stage;
  });

  const nodeEnds = (n: 0 | 1): string[] =>
    stage.nodes[n].route
      .links({ kind: 'veth' })
      .map(({ name }) => name)
      .filter((name) => name.startsWith('nst'));

  it('says which engine carries what', async () => {
    const { tunnels } = await stage.threads[0].client.getCapabilities({});
    expect(tunnels.map(({ type, engine, missing: why }) => [tunnelNames[type], engine, why])).toEqual([
      ['VXLAN', 'eBPF', ''],
      ['VXLAN_GRE', 'eBPF', ''],
      ['GRE', 'eBPF', ''],
      ['MPLSoUDP', 'eBPF', ''],
      ['MPLSoGRE', 'eBPF', ''],
      ['MPLSoEthernet', 'eBPF', ''],
      ['VXLAN', 'kernel vxlan device', ''],
    ]);
    const offer = await stage.threads[0].client.offerTunnels({ remote: '10.9.0.2' });
    expect(offer.tunnels.map(({ type }) => type)).toEqual(kinds);
    // Behind a router no frame gets without IP.
    stage.nodes[0].route.addRoute({ destination: '10.99.0.0/16', gateway: '10.9.0.2' });
    const further = await stage.threads[0].client.offerTunnels({ remote: '10.99.0.1' });
    expect(further.tunnels.map(({ type }) => type)).toEqual(kinds.filter((type) => type !== MPLSoEthernet));
    expect(further.obstacles).toMatchObject([
      { type: MPLSoEthernet, missing: 'the other node is behind router 10.9.0.2' },
    ]);
    // To the node itself there is no way, of whatever kind.
    for (const remote of ['127.0.0.2', '10.9.0.1', 'fd09::1']) {
      const { tunnels, obstacles } = await stage.threads[0].client.offerTunnels({ remote });
      expect(tunnels).toEqual([]);
      expect(obstacles.map(({ type }) => type)).toEqual(kinds);
      for (const { missing } of obstacles)
        expect(missing).toMatch(`${remote} is an address of this node itself, so the other manager runs in`);
    }
  });

  it('carries the first packets to a pod on a node where all links are busy', async () => {
    using busy = makeNamespace('busy');
    const churn = 'while :; do ip link add x type veth peer name y; ip link set x up; ip link del x; done';
    await using _links = await spawnIn(busy.name, 'sh', ['-c', churn]);
    const halves = ([0, 1] as const).map((side) =>
      half(stage, side, VXLAN, 4, 1400, { addresses: [`${podAddresses[4][side]}/31`] }),
    );
    // A question about one device would have the kernel do what has to be waited for: the list of all does not.
    const indexIn = (pod: TestNamespace): number =>
      pod.route.links().find(({ name }) => name !== 'lo')!.index;
    const frame = Buffer.concat([Buffer.from('ffffffffffff02000000000188b5', 'hex'), Buffer.alloc(46)]);
    const lost: number[] = [];
    for (let n = 0; n < 15; n++) {
      const [from, to] = stage.pods;
      // By whatever device, which is still to be made.
      using receiver = new PacketSocket(to.namespace, 0, { type: 0x88b5 });
      await stage.threads[0].client.apply(halves[0]!);
      using sender = new PacketSocket(from.namespace, indexIn(from));
      await stage.threads[1].client.apply(halves[1]!);
      for (let m = 0; m < 20; m++) sender.send(frame);
      let seen = 0;
      const all = (): boolean => {
        seen += receiver.seen().length;
        return seen === 20;
      };
      await waitFor(all, { timeout: 1_000 }).catch(() => lost.push(20 - seen));
      await Promise.all(
        stage.threads.map(({ client }, side) => client.remove({ crossConnects: [halves[side]!] })),
      );
    }
    expect(lost).toEqual([]);
  });

  it('offers nothing from an address that the node does not have, until it has it', async () => {
    const [{ route }] = stage.nodes;
    const asked = { remote: '10.9.0.2', local: '10.9.0.77' };
    const before = await stage.threads[0].client.offerTunnels(asked);
    expect(before.tunnels).toEqual([]);
    expect(new Set(before.obstacles.map(({ missing }) => missing))).toEqual(
      new Set(['no device of this node has the address 10.9.0.77, which --tunnel-address names']),
    );
    route.addAddress(route.link('under')!.index, { address: '10.9.0.77/24' });
    const { tunnels } = await stage.threads[0].client.offerTunnels(asked);
    expect(new Set(tunnels.map(({ parameters }) => parameters?.address))).toEqual(new Set(['10.9.0.77']));
  });

  it('brings back the programs and the map entries that someone takes away', async () => {
    await join(stage, GRE, 4);
    const [node] = stage.nodes;
    const [end = ''] = nodeEnds(0);
    const standing = (name: string): number =>
      programsOn(node, name).filter((one) => !one.includes('leave')).length;
    const takeProgram = (name: string): void =>
      hooked(node, name, (hooks, device) => hooks.detach(device, 'ingress'));
    const entries = (which: string, visit = (_map: BpfMap, _key: Buffer): unknown => undefined): number => {
      let count = 0;
      // Each program knows the maps that it uses.
      for (const [name, map] of mapsOn(stage.nodes[0], which === 'outgoing' ? end : 'under')) {
        for (const key of name.includes(which) ? map.keys() : []) {
          count++;
          visit(map, key);
        }
        map.close();
      }
      return count;
    };
    const takings: [string, () => unknown, () => number][] = [
      ['the program on the uplink', () => takeProgram('under'), () => standing('under')],
      ["the program on the node's end", () => takeProgram(end), () => standing(end)],
      ...['outgoing', 'incoming'].map((which): [string, () => unknown, () => number] => [
        which,
        () => entries(which, (map, key) => map.delete(key)),
        () => entries(which),
      ]),
    ];
    for (const [what, take, left] of takings) {
      expect(left(), what).toBe(1);
      // What is not there cannot be taken, and what is taken may be back before anybody looks.
      take();
      await waitFor(() => left() === 1, { what });
      expect(await ping(stage.pods[0].name, podAddresses[4][1]), what).toMatchObject({ received: 1 });
    }
  });

  it("forgets a node's end that someone deletes, and sends nothing to it once the tunnel has another", async () => {
    const { halves } = await join(stage, GRE, 4);
    const [{ route }] = stage.nodes;
    const [former = ''] = nodeEnds(0);
    route.deleteLink(former);
    await stage.threads[0].client.apply(halves[0]);
    const [name = ''] = nodeEnds(0);
    const known = (): number[] =>
      [...mapsOn(stage.nodes[0], name)].flatMap(([title, map]) => {
        using _closed = { [Symbol.dispose]: () => map.close() };
        return title.includes('outgoing') ? map.keys().map((key) => key.readUInt32LE(0)) : [];
      });
    expect(known()).toContain(route.link(name)?.index);
    await waitFor(() => known().length === 1, { what: 'the former one being forgotten' });
    expect(known()).toEqual([route.link(name)?.index]);
  });

  it.each([GRE, MPLSoEthernet])('loses no packet while forwarders restart (%s)', async (type) => {
    const { halves } = await join(stage, type, 4);
    await ping(stage.pods[0].name, podAddresses[4][1]);
    const before = programsOn(stage.nodes[0], 'under');
    const pinging = ping(stage.pods[0].name, podAddresses[4][1], { count: pings, interval: 0.01 });
    for (const n of [0, 1] as const) {
      await stage.threads[n].stop();
      stage.threads[n] = await startIn(stage.nodes[n], { vxlanEngine: 'ebpf' });
      await stage.threads[n].client.apply(halves[n]);
    }
    expect(await pinging).toMatchObject({ sent: pings, received: pings });
    // New programs, and the counters of old.
    const after = programsOn(stage.nodes[0], 'under');
    expect(unnumbered(after)).toEqual(unnumbered(before));
    expect(after).not.toEqual(before);
    const { sentPackets } = await stage.threads[0].client.getStatistics({ crossConnect: halves[0] });
    expect(sentPackets).toBeGreaterThanOrEqual(BigInt(pings));
  });

  it('forgets while away what has gone meanwhile', async () => {
    const { halves } = await join(stage, GRE, 4);
    const other = { id: 'node-0:x-2', name: 'nsm1', identifier: 77, addresses: [] };
    await stage.threads[0].client.apply(half(stage, 0, GRE, 4, 1400, other));
    await stage.threads[0].stop();
    stage.pods[0].route.deleteLink('nsm0');
    stage.threads[0] = await startIn(stage.nodes[0], { vxlanEngine: 'ebpf' });
    const maps = mapsOn(stage.nodes[0], 'under');
    expect(maps.get('nsm_incoming_5')!.keys()).toHaveLength(1);
    for (const map of maps.values()) map.close();
    const { client } = stage.threads[0];
    await client.apply(halves[0]);
    expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
    await client.remove({ crossConnects: [half(stage, 0, GRE, 4, 1400, other)] });
  });

  it('leaves no device, filter or map entry', async () => {
    const { halves } = await join(stage, MPLSoEthernet, 4);
    const others = Array.from({ length: 20 }, (_, n) =>
      half(stage, 0, GRE, n % 2 ? 4 : 6, 1400, {
        id: `node-0:many-${n}`,
        name: `nsm${n + 1}`,
        identifier: 100 + n,
        addresses: [],
      }),
    );
    const { client } = stage.threads[0];
    for (const wanted of others) await client.apply(wanted);
    expect(unnumbered(programsOn(stage.nodes[0], 'under'))).toEqual(['nsm_unwrap', 'nsm_leave']);
    const incoming = mapsOn(stage.nodes[0], 'under');
    const outgoing = mapsOn(stage.nodes[0], nodeEnds(0)[0]!);
    try {
      expect(incoming.get('nsm_incoming_5')!.keys()).toHaveLength(21);
      await Promise.all(others.map((wanted) => client.remove({ crossConnects: [wanted] })));
      expect(nodeEnds(0)).toHaveLength(1);
      expect(incoming.get('nsm_incoming_5')!.keys()).toHaveLength(1);
      expect(outgoing.get('nsm_outgoing_5')!.keys()).toHaveLength(1);
      // Its own, and that of packets which belong to no tunnel.
      expect(incoming.get('nsm_traffic_5')!.keys()).toHaveLength(2);
      expect(incoming.get('nsm_senders_5')!.keys()).toHaveLength(1);
      expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
      await client.remove({ crossConnects: [halves[0]] });
      expect(incoming.get('nsm_incoming_5')!.keys()).toEqual([]);
      expect(outgoing.get('nsm_outgoing_5')!.keys()).toEqual([]);
      await waitFor(() => incoming.get('nsm_senders_5')!.keys().length === 0, { what: 'nobody known' });
    } finally {
      for (const map of [...incoming.values(), ...outgoing.values()]) map.close();
    }
    expect(nodeEnds(0)).toEqual([]);
    expect(stage.pods[0].route.links({ kind: 'veth' })).toEqual([]);
    await waitFor(() => programsOn(stage.nodes[0], 'under').length === 0, { what: 'idle uplinks' });
    await client.remove({ crossConnects: [halves[0]] });
  });

  it('touches nothing when it is applied again, mends and changes what is not as wanted', async () => {
    const { halves } = await join(stage, GRE, 4);
    const { client } = stage.threads[0];
    const { route } = stage.nodes[0];
    const [end] = nodeEnds(0);
    const { index } = route.link(end!)!;
    const before = await ipJson(stage.pods[0].name, ['link', 'show', 'nsm0']);
    await client.apply(halves[0]);
    expect(route.link(end!)!.index).toBe(index);
    expect((await ipJson(stage.pods[0].name, ['link', 'show', 'nsm0']))[0]!.ifindex).toBe(before[0]!.ifindex);
    // Somebody clears all programs away.
    for (const name of [end!, 'under'])
      for (const hook of ['ingress', 'egress'] as const)
        hooked(stage.nodes[0], name, (hooks, device) => hooks.detach(device, hook));
    route.setLink(index, { up: false });
    await client.apply(halves[0]);
    expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
    // Another identifier, and another kind, on the same interface.
    const changed = ([type, identifier]: [TunnelType, number]) =>
      ([0, 1] as const).map((n) => half(stage, n, type, 6, 1400, { identifier }));
    for (const change of [
      [GRE, 99],
      [MPLSoUDP, 99],
    ] as [TunnelType, number][]) {
      for (const [n, wanted] of changed(change).entries()) await stage.threads[n]!.client.apply(wanted);
      expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
      expect(route.link(end!)!.index).toBe(index);
      const maps = mapsOn(stage.nodes[0], 'under');
      expect(maps.get('nsm_incoming_5')!.keys()).toHaveLength(1);
      for (const map of maps.values()) map.close();
    }
  });

  it('refuses an identifier that is in use, and leaves nothing when a step fails', async () => {
    const { halves } = await join(stage, GRE, 4);
    const { client } = stage.threads[0];
    const other = { id: 'node-0:x-2', name: 'nsm1' };
    await expect(client.apply(half(stage, 0, GRE, 4, 1400, other))).rejects.toMatchObject({
      kind: 'dataplane',
      message: expect.stringContaining('is in use on this node'),
    });
    await expect(
      client.apply(half(stage, 0, GRE, 4, 1400, { ...other, name: 'nsm0', identifier: 54 })),
    ).rejects.toMatchObject({ message: expect.stringContaining('interface named "nsm0" exists already') });
    const failing = half(stage, 0, GRE, 4, 1400, {
      ...other,
      identifier: 55,
      addresses: ['10.1.0.1/31', '10.1.0.1/31'],
    });
    await expect(client.apply(failing)).rejects.toMatchObject({ kind: 'dataplane' });
    await expect(
      client.apply(half(stage, 0, GRE, 4, 1400, { ...other, identifier: 56, remote: '192.0.2.1' })),
    ).rejects.toMatchObject({ kind: 'dataplane' });
    expect(nodeEnds(0)).toHaveLength(1);
    expect(stage.pods[0].route.links({ kind: 'veth' })).toHaveLength(1);
    await client.remove({ crossConnects: [halves[0]] });
    const second = half(stage, 0, GRE, 4, 1400, other);
    await client.apply(second);
    await client.remove({ crossConnects: [second] });
  });

  it('lets a pod forward from one tunnel to another', async () => {
    await join(stage, GRE, 4);
    const [client, middle] = stage.pods;
    // Back from the middle to a pod of node 0.
    using far = makeNamespace('far');
    const ends = ([0, 1] as const).map((n) =>
      half({ ...stage, pods: [far, middle] }, n, MPLSoUDP, 4, 1400, {
        id: `node-${n}:far`,
        name: 'nsm9',
        identifier: 900,
        addresses: [`10.70.0.${n}/31`, `fd70::${n}/127`],
      }),
    );
    await Promise.all(ends.map((end, n) => stage.threads[n]!.client.apply(end)));
    await run(middle.name, 'sysctl', ['-q', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    client.route.addRoute({ destination: '10.70.0.0/24', gateway: podAddresses[4][1] });
    client.route.addRoute({ destination: 'fd70::/64', gateway: podAddresses[6][1] });
    far.route.addRoute({ destination: '10.60.0.0/24', gateway: '10.70.0.1' });
    far.route.addRoute({ destination: 'fd60::/64', gateway: 'fd70::1' });
    await firstAnswer(client.name, '10.70.0.0');
    const addresses = ['10.70.0.0', 'fd70::'];
    expect(await transfer(client, far, addresses, 5_000_000)).toEqual(addresses);
    const { drops } = await stage.threads[1].client.getStatistics({ crossConnect: ends[1]! });
    expect(drops['sent, unsupported'] ?? 0n).toBe(0n);
    await Promise.all(ends.map((end, n) => stage.threads[n]!.client.remove({ crossConnects: [end] })));
  });

  it.each([[GRE, 6], [MPLSoEthernet, 4], ...(thorough ? ([[GRE, 4]] as const) : [])] as const)(
    'follows the route to another uplink while packets flow (%s over IPv%s)',
    async (type, version) => {
      shared.changeNodes();
      const { halves } = await join(stage, type, version);
      const [a, b] = stage.nodes;
      a.route.addLink({
        kind: 'veth',
        name: 'under2',
        up: true,
        peer: { name: 'under2', namespace: b.namespace, up: true },
      });
      const own = underlayAddresses[version];
      const length = version === 4 ? 32 : 128;
      for (const [n, { route }] of stage.nodes.entries())
        route.addAddress(route.link('under2')!.index, {
          address: version === 4 ? `10.10.0.${n + 1}/24` : `fd10::${n + 1}/64`,
          nodad: true,
        });
      await using pinging = await spawnIn(stage.pods[0].name, 'ping', [
        ...['-n', '-i', '0.02', '-W', '1', podAddresses[4][1]],
      ]);
      const replies = (): number => pinging.output().split(' bytes from ').length - 1;
      await waitFor(() => replies() > 5, { what: 'replies by the first uplink' });
      for (const [n, { route }] of stage.nodes.entries())
        route.addRoute({
          destination: `${own[1 - n]}/${length}`,
          device: route.link('under2')!.index,
          source: own[n]!,
        });
      using second = new PacketSocket(a.namespace, a.route.link('under2')!.index, { bypass: true });
      const fromHere = macOf(a, 'under2');
      await second.receive((frame) => frame.subarray(6, 12).equals(fromHere), 'packets by the second uplink');
      // What was seen may have been the kernel's own.
      await expect.poll(() => unnumbered(programsOn(a, 'under2'))).toEqual(['nsm_unwrap', 'nsm_leave']);
      // Nothing comes by the first any more.
      for (const { route } of stage.nodes) route.setLink('under', { up: false });
      if (version === 4) {
        a.route.addAddress(1, { address: `${own[0]}/32` });
        b.route.addAddress(1, { address: `${own[1]}/32` });
      } else {
        for (const [n, { route }] of stage.nodes.entries())
          route.addAddress(route.link('under2')!.index, { address: `${own[n]}/128`, nodad: true });
      }
      const before = replies();
      await waitFor(() => replies() > before + 5, { what: 'replies by the second uplink' });
      const { drops } = await stage.threads[0].client.getStatistics({ crossConnect: halves[0] });
      // Without IP the other node is known by its MAC address alone, which is asked for when the way is another.
      const strangers = type === MPLSoEthernet ? 5n : 0n;
      expect(drops['received, wrong source address'] ?? 0n).toBeLessThanOrEqual(strangers);
    },
  );

  it('leaves what it does not know to a GRE device of the kernel', async ({ skip }) => {
    const [a, b] = stage.nodes;
    try {
      await run(
        a.name,
        'ip',
        'link add other up type gretap key 9 local 10.9.0.1 remote 10.9.0.8'.split(' '),
      );
    } catch (error) {
      skip(`this kernel has no GRE devices: ${(error as Error).message.trim().split('\n').at(-1)}`);
    }
    shared.changeNodes();
    await join(stage, GRE, 4);
    // GRE with an unknown key from node 1; bound to one EtherType, the socket sees what is left after traffic control.
    const { index } = a.route.link('under')!;
    using kernel = new PacketSocket(a.namespace, index, { type: 0x0800 });
    using attacker = new PacketSocket(b.namespace, b.route.link('under')!.index, { bypass: true });
    const ip = '4500002a00004000402f00000a0900020a090001';
    const frame = fixChecksum(
      Buffer.from(
        `${macOf(a, 'under').toString('hex')}${macOf(b, 'under').toString('hex')}0800${ip}2000655800c0ffee${'00'.repeat(14)}`,
        'hex',
      ),
    );
    attacker.send(frame);
    const marked = (one: Buffer): boolean => one.includes(Buffer.from('00c0ffee', 'hex'));
    await kernel.receive(marked, 'a packet passed on');
  });

  it('takes nothing over from a forwarder whose maps are laid out otherwise, and replaces its programs', async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), 'nsm-layout-'));
    try {
      // The same programs, but for the number in the names of their maps.
      const other = Buffer.from(
        readFileSync(object)
          .toString('latin1')
          .replaceAll(/(nsm_(?:outgoing|incoming|served|traffic))_5/g, '$1_1'),
        'latin1',
      );
      const file = joinPath(folder, 'other.bpf.o');
      writeFileSync(file, other);
      shared.changeNodes();
      const { halves } = await join(stage, GRE, 4);
      await stage.threads[0].stop();
      const [end] = nodeEnds(0);
      using foreign = BpfObject.load(file);
      for (const [name, hook, program] of [
        ['under', 'ingress', 'nsm_unwrap'],
        ['under', 'egress', 'nsm_leave'],
        [end!, 'ingress', 'nsm_wrap'],
      ] as const) {
        const fd = foreign.program(program);
        const loaded = { name: program, fd, id: describeProgram(fd).id };
        hooked(stage.nodes[0], name, (hooks, device) => hooks.attach(device, hook, loaded));
      }
      using stray = foreign.map('nsm_outgoing_1');
      stray.update(Buffer.from('09000000', 'hex'), Buffer.alloc(stray.valueSize));
      stage.threads[0] = await startIn(stage.nodes[0], { vxlanEngine: 'ebpf' });
      await stage.threads[0].client.apply(halves[0]);
      expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
      for (const name of ['under', end!]) {
        const maps = mapsOn(stage.nodes[0], name);
        try {
          expect([...maps.keys()].filter((map) => !map.endsWith('_5'))).toEqual([]);
          if (name === end) expect(maps.get('nsm_outgoing_5')!.keys()).toHaveLength(1);
        } finally {
          for (const map of maps.values()) map.close();
        }
      }
      expect(stray.keys()).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(!rooted || missing !== '')('eBPF VXLAN and the kernel’s vxlan device', () => {
  it.each([
    [0, 4],
    [1, 6],
    ...(thorough
      ? ([
          [0, 6],
          [1, 4],
        ] as const)
      : []),
  ] as const)('understand each other, eBPF on node %i, over IPv%i', async (bpf, version) => {
    const engines = (['kernel', 'kernel'] as ('kernel' | 'ebpf')[]).with(bpf, 'ebpf');
    const stage = await makeStage([{ vxlanEngine: engines[0]! }, { vxlanEngine: engines[1]! }]);
    try {
      await join(stage, VXLAN, version);
      expect(stage.pods.map(({ route }) => route.link('nsm0')!.kind).toSorted()).toEqual(['veth', 'vxlan']);
      for (const inner of [4, 6] as const) {
        for (const n of [0, 1] as const)
          expect(await ping(stage.pods[n].name, podAddresses[inner][1 - n]!)).toMatchObject({ received: 1 });
      }
      const [client, endpoint] = stage.pods;
      const [own, others] = ([0, 1] as const).map((side) => [podAddresses[4][side], podAddresses[6][side]]);
      expect(await transfer(client, endpoint, others!, 3_000_000)).toEqual(others);
      expect(await transfer(endpoint, client, own!, 3_000_000)).toEqual(own);
      // Both engines on one node: eBPF leaves alone what is not its own.
      const side = (1 - bpf) as 0 | 1;
      await stage.threads[side].client.apply(
        half(stage, side, GRE, version, 1400, { id: 'x:gre', name: 'gre0', identifier: 5000, addresses: [] }),
      );
      expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
    } finally {
      await stage.remove();
    }
  });
});
