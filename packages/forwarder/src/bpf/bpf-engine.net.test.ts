// The eBPF engine beyond a single tunnel: restarts, removal, the kernel's own VXLAN as peer, chains, collisions.
import { TunnelType, tunnelNames } from '@nsm/api';
import { type BpfMap, mapsOfProgram, type RouteSocket } from '@nsm/netlink';
import { ipJson, leaks, ping, requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { transfer } from '../tunnels/transfer.test.tool.js';
import {
  half,
  join,
  kinds,
  makeStage,
  missingKinds,
  podAddresses,
  type Stage,
  startIn,
} from '../tunnels/tunnel.test.mesh.js';

afterAll(() => expect(leaks()).toEqual([]));

const { VXLAN, GRE, MPLSoUDP, MPLSoEthernet } = TunnelType;
const rooted = requireRoot('eBPF engine');
const [missing = ''] = rooted ? (await missingKinds()).values() : [];
if (missing) process.stderr.write(`SKIPPED eBPF engine: ${missing}\n`);

/** Programs of ours on a device, `ingress` before `egress`. */
const programsOn = (route: RouteSocket, name: string): string[] => {
  const device = route.link(name)!.index;
  if (!route.qdiscs({ device }).some(({ kind }) => kind === 'clsact')) return [];
  return (['ingress', 'egress'] as const).flatMap((parent) =>
    route.filters({ device, parent }).map(({ bpf }) => `${bpf?.name} #${bpf?.id}`),
  );
};
const unnumbered = (programs: readonly string[]): string[] =>
  programs.map((program) => program.replace(/ #.*/, ''));

/** The maps of the program on a device's ingress. */
const mapsOn = (route: RouteSocket, name: string): Map<string, BpfMap> => {
  const [filter] = route.filters({ device: route.link(name)!.index, parent: 'ingress' });
  return mapsOfProgram(filter!.bpf!.id!);
};

describe.skipIf(!rooted || missing !== '')('eBPF engine', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await makeStage();
  });
  afterEach(async () => await stage.remove());

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
    expect((await stage.threads[0].client.offerTunnels({ remote: '127.0.0.2' })).tunnels).toMatchObject([
      { type: VXLAN },
    ]);
  });

  it.each([GRE, MPLSoEthernet])('loses no packet while forwarders restart (%s)', async (type) => {
    const { halves } = await join(stage, type, 4);
    await ping(stage.pods[0].name, podAddresses[4][1]);
    const before = programsOn(stage.nodes[0].route, 'under');
    await using pinging = await spawnIn(stage.pods[0].name, 'ping', [
      ...['-n', '-i', '0.01', '-c', '300', '-W', '2', podAddresses[4][1]],
    ]);
    for (const n of [0, 1] as const) {
      await stage.threads[n].stop();
      stage.threads[n] = await startIn(stage.nodes[n], { vxlanEngine: 'ebpf' });
      await stage.threads[n].client.apply(halves[n]);
    }
    await pinging.exited;
    expect(pinging.output()).toMatch(/300 packets transmitted, 300 received, 0% packet loss/);
    // New programs, and the counters of old.
    const after = programsOn(stage.nodes[0].route, 'under');
    expect(unnumbered(after)).toEqual(unnumbered(before));
    expect(after).not.toEqual(before);
    const { sentPackets } = await stage.threads[0].client.getStatistics({ crossConnect: halves[0] });
    expect(sentPackets).toBeGreaterThanOrEqual(300n);
  });

  it('forgets while away what has gone meanwhile', async () => {
    const { halves } = await join(stage, GRE, 4);
    await stage.threads[0].client.apply(
      half(stage, 0, GRE, 4, 1400, { id: 'node-0:x-2', name: 'nsm1', identifier: 77, addresses: [] }),
    );
    await stage.threads[0].stop();
    stage.pods[0].route.deleteLink('nsm0');
    stage.threads[0] = await startIn(stage.nodes[0], { vxlanEngine: 'ebpf' });
    const maps = mapsOn(stage.nodes[0].route, 'under');
    expect(maps.get('nsm_incoming')!.keys()).toHaveLength(1);
    for (const map of maps.values()) map.close();
    await stage.threads[0].client.apply(halves[0]);
    expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
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
    const { route } = stage.nodes[0];
    expect(unnumbered(programsOn(route, 'under'))).toEqual(['nsm_unwrap', 'nsm_label']);
    const incoming = mapsOn(route, 'under');
    const outgoing = mapsOn(route, nodeEnds(0)[0]!);
    try {
      expect(incoming.get('nsm_incoming')!.keys()).toHaveLength(21);
      await Promise.all(others.map((wanted) => client.remove({ crossConnects: [wanted] })));
      expect(nodeEnds(0)).toHaveLength(1);
      expect(incoming.get('nsm_incoming')!.keys()).toHaveLength(1);
      expect(outgoing.get('nsm_outgoing')!.keys()).toHaveLength(1);
      // Its own, and that of packets which belong to no tunnel.
      expect(incoming.get('nsm_traffic')!.keys()).toHaveLength(2);
      expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
      await client.remove({ crossConnects: [halves[0]] });
      expect(incoming.get('nsm_incoming')!.keys()).toEqual([]);
      expect(outgoing.get('nsm_outgoing')!.keys()).toEqual([]);
    } finally {
      for (const map of [...incoming.values(), ...outgoing.values()]) map.close();
    }
    expect(nodeEnds(0)).toEqual([]);
    expect(stage.pods[0].route.links({ kind: 'veth' })).toEqual([]);
    expect(programsOn(route, 'under')).toEqual([]);
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
    // Somebody clears traffic control everywhere.
    for (const device of [index, route.link('under')!.index]) route.deleteQdisc(device, 'clsact');
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
      const maps = mapsOn(route, 'under');
      expect(maps.get('nsm_incoming')!.keys()).toHaveLength(1);
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
    await client.apply(half(stage, 0, GRE, 4, 1400, other));
  });

  it('follows the route to another uplink when it is applied again', async () => {
    const { halves } = await join(stage, GRE, 4);
    const [a, b] = stage.nodes;
    a.route.addLink({
      kind: 'veth',
      name: 'under2',
      up: true,
      peer: { name: 'under2', namespace: b.namespace, up: true },
    });
    for (const [n, node] of stage.nodes.entries()) {
      const device = node.route.link('under2')!.index;
      node.route.addAddress(device, { address: `10.10.0.${n + 1}/24` });
      node.route.addRoute({ destination: `10.9.0.${2 - n}/32`, gateway: `10.10.0.${2 - n}`, device });
    }
    for (const [n, wanted] of halves.entries()) await stage.threads[n]!.client.apply(wanted);
    a.route.setLink('under', { up: false });
    a.route.addAddress(1, { address: '10.9.0.1/32' });
    b.route.addAddress(1, { address: '10.9.0.2/32' });
    expect(await ping(stage.pods[0].name, podAddresses[4][1], { count: 3 })).toMatchObject({ received: 3 });
    expect(unnumbered(programsOn(a.route, 'under2'))).toEqual(['nsm_unwrap']);
  });

  it('lets a pod forward from one tunnel to another', async () => {
    await join(stage, GRE, 4);
    const [client, middle] = stage.pods;
    // Back from the middle to a second interface of node 0, in the client's stead.
    const far = await makeStage();
    try {
      // A stage of its own lends its pod; the tunnel is made between the nodes of the first.
      const lent: Stage = { ...stage, pods: [far.pods[0], middle] };
      for (const n of [0, 1] as const)
        await stage.threads[n].client.apply(
          half(lent, n, MPLSoUDP, 4, 1400, {
            id: `node-${n}:far`,
            name: 'nsm9',
            identifier: 900,
            addresses: [`10.70.0.${n}/31`, `fd70::${n}/127`],
          }),
        );
      await run(middle.name, 'sysctl', ['-q', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
      client.route.addRoute({ destination: '10.70.0.0/24', gateway: podAddresses[4][1] });
      client.route.addRoute({ destination: 'fd70::/64', gateway: podAddresses[6][1] });
      far.pods[0].route.addRoute({ destination: '10.60.0.0/24', gateway: '10.70.0.1' });
      far.pods[0].route.addRoute({ destination: 'fd60::/64', gateway: 'fd70::1' });
      await waitFor(async () => (await ping(client.name, '10.70.0.0')).received === 1);
      for (const address of ['10.70.0.0', 'fd70::']) {
        expect(await transfer(client, far.pods[0], address, 5_000_000)).toBe('same');
      }
      const { drops } = await stage.threads[1].client.getStatistics({
        crossConnect: half(lent, 1, MPLSoUDP, 4, 1400, { id: 'node-1:far' }),
      });
      expect(drops['sent, unsupported'] ?? 0n).toBe(0n);
    } finally {
      await far.remove();
    }
  });
});

describe.skipIf(!rooted || missing !== '')('eBPF VXLAN and the kernel’s vxlan device', () => {
  it.each([
    [0, 4],
    [0, 6],
    [1, 4],
    [1, 6],
  ] as const)('understand each other, eBPF on node %i, over IPv%i', async (bpf, version) => {
    const engines = (['kernel', 'kernel'] as ('kernel' | 'ebpf')[]).with(bpf, 'ebpf');
    const stage = await makeStage([{ vxlanEngine: engines[0]! }, { vxlanEngine: engines[1]! }]);
    try {
      await join(stage, VXLAN, version);
      expect(stage.pods.map(({ route }) => route.link('nsm0')!.kind).toSorted()).toEqual(['veth', 'vxlan']);
      for (const inner of [4, 6] as const) {
        for (const n of [0, 1] as const)
          expect(await ping(stage.pods[n].name, podAddresses[inner][1 - n]!)).toMatchObject({ received: 1 });
        const [client, endpoint] = stage.pods;
        expect(await transfer(client, endpoint, podAddresses[inner][1], 3_000_000)).toBe('same');
        expect(await transfer(endpoint, client, podAddresses[inner][0], 3_000_000)).toBe('same');
      }
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
