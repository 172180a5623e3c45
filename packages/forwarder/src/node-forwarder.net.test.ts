// The forwarder on a real kernel: cross-connects appear whole, stay as they are, change, and vanish whole.
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType, TunnelType } from '@nsm/api';
import { createNamespace, deleteNamespace, openNamespace } from '@nsm/netlink';
import {
  ipJson,
  leaks,
  makeNamespace,
  namePrefix,
  PacketSocket,
  ping,
  requireRoot,
  run,
  spawnIn,
  type TestNamespace,
  waitFor,
} from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ForwarderThread, startForwarderThread } from './index.js';
import { removalGroup, scaffolding, unfinishedGroup } from './port/device-groups.js';

const KERNEL = InterfaceType.KERNEL_INTERFACE;

const startIn = (node: TestNamespace): Promise<ForwarderThread> => {
  let started: Promise<ForwarderThread> | undefined;
  // The thread is born, and stays, in the namespace its creator is in.
  node.namespace.run(() => {
    started = startForwarderThread();
  });
  return started!;
};

const port = (pod: TestNamespace, name: string, address: string, peer: string, more: object = {}): fw.Port =>
  create(fw.PortSchema, {
    type: KERNEL,
    namespace: { inode: pod.namespace.inode, path: `/run/netns/${pod.name}` },
    name,
    mac: name.startsWith('nse') ? '02:00:00:00:00:02' : '02:00:00:00:00:01',
    mtu: 1450,
    addresses: [address],
    peerAddresses: peer === '' ? [] : [peer],
    ...more,
  });

const joined = (
  id: string,
  ends: Omit<Extract<MessageInitShape<typeof fw.CrossConnectSchema>, { $typeName?: never }>, 'id'>,
): fw.CrossConnect => create(fw.CrossConnectSchema, { id, ...ends });

/** All there is in a pod, but for counters and the time that passes. */
const state = async ({ name }: TestNamespace): Promise<unknown> => {
  const seen = [
    await ipJson(name, ['addr']),
    await ipJson(name, ['route']),
    await ipJson(name, ['-6', 'route']),
  ];
  const flat = seen.flat().map(({ stats64: _counters, ...rest }) => rest);
  return JSON.parse(
    JSON.stringify(flat, (key, value) => (key === 'tentative' || key === 'operstate' ? undefined : value)),
  );
};

const nameOf = ({ case: what, value }: fw.ForwarderEvent['event']): string =>
  `${what} ${typeof value === 'object' ? value.inode : value}`;

const linkNames = async (pod: TestNamespace): Promise<string[]> =>
  (await ipJson(pod.name, ['link'])).map(({ ifname }) => String(ifname)).filter((name) => name !== 'lo');

describe.skipIf(!requireRoot('forwarder'))('NodeForwarder', () => {
  let nodeA: TestNamespace;
  let nodeB: TestNamespace;
  let client: TestNamespace;
  let endpoint: TestNamespace;
  let a: ForwarderThread;
  let b: ForwarderThread;

  beforeAll(async () => {
    [nodeA, nodeB] = ['node-a', 'node-b'].map(makeNamespace) as [TestNamespace, TestNamespace];
    nodeA.route.addLink({
      kind: 'veth',
      name: 'under',
      mtu: 1500,
      up: true,
      peer: { name: 'under', namespace: nodeB.namespace, mtu: 1500, up: true },
    });
    for (const [node, n] of [
      [nodeA, 1],
      [nodeB, 2],
    ] as const) {
      const index = node.route.link('under')!.index;
      node.route.addAddress(index, { address: `10.9.0.${n}/24` });
      node.route.addAddress(index, { address: `fd09::${n}/64`, nodad: true });
    }
    [a, b] = await Promise.all([startIn(nodeA), startIn(nodeB)]);
  });
  beforeEach(() => {
    [client, endpoint] = ['client', 'endpoint'].map(makeNamespace) as [TestNamespace, TestNamespace];
  });
  // Nothing is left to the next test: neither on the nodes nor in the forwarders' books.
  afterEach(async () => {
    // In whatever namespace of this machine there are any.
    const ours = new Set([nodeA, nodeB, client, endpoint].map(({ namespace }) => namespace.inode));
    for (const { client: forwarder } of [a, b]) {
      const { interfaces } = await forwarder.list({ idPrefix: 'node-' });
      const crossConnects = interfaces.flatMap(({ id, namespace }) =>
        namespace && ours.has(namespace.inode) ? [{ id, client: { namespace } }] : [],
      );
      await forwarder.remove({ crossConnects });
    }
    for (const pod of [client, endpoint]) pod.remove();
    for (const node of [nodeA, nodeB])
      for (const { name } of node.route.links())
        if (!['lo', 'under'].includes(name)) node.route.deleteLink(name);
  });
  afterAll(async () => {
    await Promise.all([a.stop(), b.stop()]);
    for (const namespace of [nodeA, nodeB]) namespace.remove();
    expect(leaks()).toEqual([]);
  });

  const local = (more: { client?: fw.Port; endpoint?: fw.Port } = {}): fw.CrossConnect =>
    joined('node-a:1', {
      client: port(client, 'nsm%d', '10.60.0.1/31', '10.60.0.0', {
        routes: [{ destination: '10.77.0.0/16', gateway: '10.60.0.0' }],
      }),
      endpoint: port(endpoint, 'nse1', '10.60.0.0/31', '10.60.0.1'),
      ...more,
    });
  const remote = (side: 'a' | 'b', version: 4 | 6 = 4, id = '2'): fw.CrossConnect => {
    const [one, two] = version === 4 ? ['10.9.0.1', '10.9.0.2'] : ['fd09::1', 'fd09::2'];
    const [local, far] = side === 'a' ? [one, two] : [two, one];
    const tunnel = { type: TunnelType.VXLAN, identifier: 4242, port: 4789, local: local!, remote: far! };
    return side === 'a'
      ? joined(`node-a:${id}`, { client: port(client, 'nsm%d', 'fd60::1/127', 'fd60::'), tunnel })
      : joined(`node-b:${id}`, { endpoint: port(endpoint, 'nse2', 'fd60::/127', 'fd60::1'), tunnel });
  };

  it('removes what is still being made', async () => {
    const making = a.client.apply(local());
    await Promise.all([making, a.client.remove({ crossConnects: [local()] })]);
    expect([await linkNames(client), await linkNames(endpoint)]).toEqual([[], []]);
  });

  it('removes a tunnel device that somebody has moved to another namespace', async () => {
    await a.client.apply(remote('a'));
    await run(undefined, 'ip', ['-n', client.name, 'link', 'set', 'nsm0', 'netns', endpoint.name]);
    expect(await linkNames(endpoint)).toEqual(['nsm0']);
    await a.client.remove({ crossConnects: [remote('a')] });
    expect(await linkNames(endpoint)).toEqual([]);
  });

  it('leaves IPv6 alone where nobody asks for it, and brings it when somebody does', async () => {
    const applied = await a.client.apply(local());
    const modes = async (): Promise<unknown[]> =>
      (
        await Promise.all(
          [client, endpoint].map(({ name }) => ipJson(name, ['-d', 'link', 'show', 'type', 'veth'])),
        )
      )
        .flat()
        .map(({ inet6_addr_gen_mode: mode }) => mode);
    const addresses = async (pod: TestNamespace): Promise<string[]> =>
      pod.route
        .addresses({ family: 'ipv6' })
        .map(({ address }) => address)
        .filter((address) => address !== '::1/128');
    expect(await modes()).toEqual(['none', 'none']);
    expect([await addresses(client), await addresses(endpoint)]).toEqual([[], []]);

    applied.client?.addresses.push('fd60::1/127');
    applied.endpoint?.addresses.push('fd60::/127');
    await a.client.apply(applied);
    expect(await modes()).toEqual(['eui64', 'eui64']);
    expect(await addresses(client)).toEqual(expect.arrayContaining(['fd60::1/127', 'fe80::ff:fe00:1/64']));
    expect(await ping(client.name, 'fd60::')).toMatchObject({ received: 1 });

    // Too small for IPv6: the kernel has nothing to switch off.
    const small = port(client, 'small', '10.61.0.1/31', '10.61.0.0', { mtu: 1000 });
    const other = port(endpoint, 'nse9', '10.61.0.0/31', '10.61.0.1', { mtu: 1000 });
    await a.client.apply(joined('node-a:9', { client: small, endpoint: other }));
    expect(await ping(client.name, '10.61.0.0')).toMatchObject({ received: 1 });
  });

  it('joins two pods by one veth pair that carries packets, and takes it away', async () => {
    const applied = await a.client.apply(local());
    expect(applied.client?.name).toBe('nsm0');
    expect(await ping(client.name, '10.60.0.0')).toMatchObject({ received: 1 });
    expect((await ipJson(client.name, ['link', 'show', 'nsm0']))[0]).toMatchObject({
      ifalias: 'node-a:1',
      mtu: 1450,
      address: '02:00:00:00:00:01',
    });
    expect((await ipJson(client.name, ['route', 'show', '10.77.0.0/16']))[0]).toMatchObject({
      gateway: '10.60.0.0',
      dev: 'nsm0',
    });
    expect(await linkNames(endpoint)).toEqual(['nse1']);
    expect(await linkNames(nodeA)).toEqual(['under']);
    const { sentPackets } = await a.client.getStatistics({ crossConnect: applied });
    expect(sentPackets).toBeGreaterThan(0n);

    await a.client.remove({ crossConnects: [applied] });
    expect(await linkNames(client)).toEqual([]);
    expect(await linkNames(endpoint)).toEqual([]);
    await a.client.remove({ crossConnects: [applied] });
  });

  it('carries the first packets of two pods on a node where all links are busy', async () => {
    using busy = makeNamespace('busy');
    const churn = 'while :; do ip link add x type veth peer name y; ip link set x up; ip link del x; done';
    await using _links = await spawnIn(busy.name, 'sh', ['-c', churn]);
    // A question about one device would have it done: the list of all does not.
    const indexOf = (pod: TestNamespace): number =>
      pod.route.links().find(({ name }) => name !== 'lo')!.index;
    const lost: number[] = [];
    for (let n = 0; n < 20; n++) {
      const applied = await a.client.apply(local());
      using receiver = new PacketSocket(endpoint.namespace, indexOf(endpoint), { type: 0x88b5 });
      using sender = new PacketSocket(client.namespace, indexOf(client));
      const frame = Buffer.concat([Buffer.from('ffffffffffff02000000000188b5', 'hex'), Buffer.alloc(46)]);
      for (let m = 0; m < 20; m++) sender.send(frame);
      let seen = 0;
      const all = (): boolean => {
        seen += receiver.seen().length;
        return seen === 20;
      };
      await waitFor(all, { timeout: 1_000 }).catch(() => lost.push(20 - seen));
      await a.client.remove({ crossConnects: [applied] });
    }
    expect(lost).toEqual([]);
  });

  it.each([4, 6] as const)('joins two nodes over VXLAN on an IPv%d underlay', async (version) => {
    const offer = await a.client.offerTunnels({ remote: version === 4 ? '10.9.0.2' : 'fd09::2' });
    expect(offer.tunnels[0]).toMatchObject({
      type: TunnelType.VXLAN,
      parameters: {
        address: version === 4 ? '10.9.0.1' : 'fd09::1',
        mtu: version === 4 ? 1450 : 1430,
        port: 4789,
      },
    });
    await a.client.apply(remote('a', version));
    expect(await a.client.probe({ crossConnect: remote('a', version), timeoutMs: 100 })).toMatchObject({
      answered: false,
    });
    await b.client.apply(remote('b', version));
    expect(await a.client.probe({ crossConnect: remote('a', version), timeoutMs: 3000 })).toMatchObject({
      answered: true,
    });
    expect(await ping(client.name, 'fd60::')).toMatchObject({ received: 1 });
    expect(await linkNames(nodeA)).toEqual(['under', expect.stringMatching(/^nst/)]);
  });

  it('needs none of the neighbours that all pods of a machine share, of which one pod can leave none', async () => {
    await a.client.apply(local());
    await Promise.all([a.client.apply(remote('a')), b.client.apply(remote('b'))]);
    expect(await ping(client.name, '10.60.0.0')).toMatchObject({ received: 1 });
    expect(await ping(client.name, 'fd60::')).toMatchObject({ received: 1 });
    const pods: [TestNamespace, string[]][] = [
      [client, ['10.60.0.0', 'fd60::']],
      [endpoint, ['10.60.0.1', 'fd60::1']],
    ];
    for (const [pod, peers] of pods) {
      const known = pod.route.neighbours().filter(({ address }) => peers.includes(address!));
      expect(known.map(({ address }) => address).toSorted()).toEqual(peers);
      // The kernel counts other entries (neigh_alloc, net/core/neighbour.c).
      for (const { flags } of known) expect(flags).toContain('externallyLearned');
    }
  });

  it('touches nothing when it is applied again', async () => {
    for (const wanted of [local(), remote('a')]) {
      await a.client.apply(wanted);
      const before = await state(client);
      await a.client.apply(wanted);
      expect(await state(client)).toEqual(before);
    }
  });

  it('mends what was changed by hand, and follows what is wanted now', async () => {
    const { client: made } = await a.client.apply(local());
    const index = client.route.link('nsm0')!.index;
    client.route.setLink(index, { name: 'theirs', mtu: 1200 });
    client.route.addAddress(index, { address: '192.0.2.1/32' });
    client.route.deleteRoute({ destination: '10.77.0.0/16', device: index });
    await a.client.apply(local({ client: { ...made!, addresses: ['10.60.0.1/31', 'fd60::1/127'] } }));
    const [link] = await ipJson(client.name, ['addr', 'show', 'dev', 'nsm0']);
    const addresses = (link!.addr_info as { local: string; scope: string }[])
      .filter(({ scope }) => scope === 'global')
      .map(({ local: address }) => address);
    expect(link).toMatchObject({ mtu: 1450, ifindex: index });
    // What the pod gave itself stays.
    expect(addresses.toSorted()).toEqual(['10.60.0.1', '192.0.2.1', 'fd60::1']);
    expect(await ipJson(client.name, ['route', 'show', '10.77.0.0/16'])).toHaveLength(1);
  });

  it('takes away what it gave and is not wanted any more', async () => {
    await a.client.apply(
      local({
        client: port(client, 'nsm0', '10.60.0.1/31', '', { addresses: ['10.60.0.1/31', '10.60.0.3/32'] }),
      }),
    );
    await a.client.apply(local({ client: port(client, 'nsm0', '10.60.0.1/31', '') }));
    const seen = [
      await ipJson(client.name, ['addr', 'show', 'dev', 'nsm0']),
      await ipJson(client.name, ['route', 'show', 'proto', '78']),
    ];
    expect(JSON.stringify(seen)).not.toMatch(/10\.60\.0\.3|10\.77/);
  });

  it.each([
    ['ipv4', '192.0.2.1/24', '0.0.0.0/0', ['0.0.0.0/1', '128.0.0.0/1'], '10.60.0.1/31', '10.60.0.0'],
    ['ipv6', '2001:db8::1/64', '::/0', ['::/1', '8000::/1'], 'fd60::1/127', 'fd60::'],
  ] as const)(
    'puts a default route beside the one a pod has: %s',
    async (family, own, route, halves, address, gateway) => {
      const routes = async (...which: string[]): Promise<unknown[]> =>
        (await ipJson(client.name, [family === 'ipv4' ? '-4' : '-6', 'route', 'show', ...which])).map(
          ({ dst, dev }) => `${dst} ${dev}`,
        );
      client.route.addLink({ kind: 'bridge', name: 'own', up: true });
      const index = client.route.link('own')!.index;
      client.route.addAddress(index, { address: own, nodad: true });
      client.route.addRoute({ destination: 'default', device: index, family });
      const wanted = local({
        client: port(client, 'nsm0', address, gateway, { routes: [{ destination: route, gateway }] }),
        endpoint: port(endpoint, 'nse1', `${gateway}/${address.split('/')[1]}`, address.split('/')[0]!),
      });
      for (const _ of ['at first', 'again']) {
        await a.client.apply(wanted);
        expect(await routes('proto', '78')).toEqual(halves.map((half) => `${half} nsm0`));
        expect(await routes('default')).toEqual(['default own']);
      }
      await a.client.remove({ crossConnects: [wanted] });
      expect(await routes('default')).toEqual(['default own']);
    },
  );

  it('gives a default route to a namespace in which nothing was up yet', async () => {
    const name = `${namePrefix}fresh`;
    createNamespace(name);
    try {
      using fresh = openNamespace(name);
      const wanted = local({
        client: port(client, 'nsm0', '10.60.0.1/31', '10.60.0.0', {
          namespace: { inode: fresh.inode, path: `/run/netns/${name}` },
          routes: [{ destination: '0.0.0.0/0', gateway: '10.60.0.0' }],
        }),
      });
      expect((await a.client.inspectNamespace({ linuxNamespace: name })).namespace?.prefixes).toEqual([]);
      await a.client.apply(wanted);
      expect(await ipJson(name, ['route', 'show', 'default'])).toMatchObject([{ dev: 'nsm0' }]);
      await a.client.remove({ crossConnects: [wanted] });
    } finally {
      deleteNamespace(name);
    }
  });

  it('names the route that is in the way', async () => {
    client.route.addLink({ kind: 'bridge', name: 'own', up: true });
    client.route.addRoute({ destination: '10.77.0.0/16', device: client.route.link('own')!.index });
    await expect(a.client.apply(local())).rejects.toMatchObject({
      kind: 'dataplane',
      message: expect.stringMatching(/the pod routes 10\.77\.0\.0\/16 through own already/),
    });
    expect(await linkNames(client)).toEqual(['own']);
  });

  it('leaves nothing when a step fails', async () => {
    const twice = { destination: '10.5.0.0/16', gateway: '10.60.0.1' };
    const failures: [string, fw.CrossConnect][] = [
      [
        'address',
        local({ client: port(client, 'nsm%d', '', '', { addresses: ['10.60.0.1/31', '10.60.0.1/31'] }) }),
      ],
      ['route', local({ endpoint: port(endpoint, 'nse1', '10.60.0.0/31', '', { routes: [twice, twice] }) })],
      ['name', local({ client: port(client, 'far-too-long-a-name', '10.60.0.1/31', '') })],
      ['mtu', local({ client: port(client, 'nsm%d', '10.60.0.1/31', '', { mtu: 10 }) })],
      [
        'namespace',
        local({
          endpoint: port(endpoint, 'nse1', '10.60.0.0/31', '', { namespace: { inode: 1, path: '' } }),
        }),
      ],
      ['taken name', local({ endpoint: port(endpoint, 'lo', '10.60.0.0/31', '') })],
    ];
    for (const [what, wanted] of failures) {
      await expect(a.client.apply(wanted), what).rejects.toMatchObject({
        kind: expect.stringMatching(/dataplane|invalid|namespace-unknown/),
      });
      expect([await linkNames(client), await linkNames(endpoint), await linkNames(nodeA)], what).toEqual([
        [],
        [],
        ['under'],
      ]);
    }
    // The identifier is in use on this node: the kernel refuses the second device.
    await a.client.apply(remote('a'));
    await expect(a.client.apply(remote('a', 4, '3'))).rejects.toMatchObject({
      kind: 'dataplane',
    });
    expect(await linkNames(client)).toEqual(['nsm0']);
  });

  it('says what went wrong, also when the device that it takes back has gone by itself', async () => {
    const making = a.client.apply({ ...remote('a'), answerWithinMs: 1000 });
    const refused = expect(making).rejects.toMatchObject({
      message: expect.not.stringContaining('delete link'),
    });
    await waitFor(() => client.route.links().find(({ alias, up }) => alias === 'node-a:2' && up));
    client.route.deleteLink('nsm0');
    await refused;
  });

  it('resolves every form of linux_namespace, and tells whose it is', async () => {
    const { inode } = client.namespace;
    for (const form of [String(inode), `net:[${inode}]`, client.name, `/run/netns/${client.name}`]) {
      const { namespace, pidInode } = await a.client.inspectNamespace({
        linuxNamespace: form,
        pid: process.pid,
      });
      expect(namespace?.inode).toBe(inode);
      expect(pidInode).toBe(openNamespace('/proc/self/ns/net').inode);
    }
    await expect(a.client.inspectNamespace({ linuxNamespace: 'no-such' })).rejects.toMatchObject({
      kind: 'namespace-unknown',
    });
    await expect(a.client.inspectNamespace({ linuxNamespace: '../etc' })).rejects.toMatchObject({
      kind: 'invalid',
    });
    client.route.addRoute({ destination: '10.1.2.0/24', device: client.route.link('lo')!.index });
    expect((await a.client.inspectNamespace({ linuxNamespace: client.name })).namespace?.prefixes).toContain(
      '10.1.2.0/24',
    );
  });

  it('finds its interfaces again by alias, and not those of others', async () => {
    const { nodeId } = await a.client.getCapabilities({});
    expect(nodeId).toMatch(/^[0-9a-f]{8}$/);
    expect((await b.client.getCapabilities({})).nodeId).not.toBe(nodeId);
    await a.client.apply({ ...local(), id: `node-a:${nodeId}-1` });
    await a.client.apply({ ...remote('a'), id: `node-ab:${nodeId}-9` });
    const { interfaces } = await a.client.list({ idPrefix: `node-a:${nodeId}-` });
    expect(interfaces.map(({ id, name }) => `${id} ${name}`).toSorted()).toEqual([
      `node-a:${nodeId}-1 nse1`,
      `node-a:${nodeId}-1 nsm0`,
    ]);
  });

  it('finds what was being made when a forwarder died, by its group', async () => {
    const { nodeId } = await a.client.getCapabilities({});
    const idPrefix = `node-a:${nodeId}-`;
    const group = unfinishedGroup(`${idPrefix}0123456789abcdef`);
    const peer = { name: 'nse9', namespace: endpoint.namespace, group };
    client.route.addLink({ kind: 'veth', name: 'nsm0', group, peer });
    client.route.addLink({ kind: 'bridge', name: 'another' });
    const { interfaces } = await a.client.list({ idPrefix });
    expect(interfaces.map(({ name }) => name).toSorted()).toEqual(['nse9', 'nsm0']);
    await a.client.remove({
      crossConnects: interfaces.map(({ id, namespace }) => ({ id, client: { namespace: namespace! } })),
    });
    expect([await linkNames(client), await linkNames(endpoint)]).toEqual([['another'], []]);
    // What is finished is in no group.
    await a.client.apply(local());
    expect(client.route.link('nsm0')).toMatchObject({ group: 0 });
    expect(endpoint.route.link('nse1')).toMatchObject({ group: 0 });
  });

  it('removes at its start what a forwarder that died had made for itself', async () => {
    nodeA.route.addLink({ kind: 'bridge', name: 'nsmgone1', group: scaffolding });
    nodeA.route.addLink({ kind: 'veth', name: 'nsmp1', group: scaffolding, peer: { name: 'nsmp1p' } });
    nodeA.route.addLink({ kind: 'bridge', name: 'nsmp2' });
    const another = await startIn(nodeA);
    await another.stop();
    expect(await linkNames(nodeA)).toEqual(['under', 'nsmp2']);
  });

  it('makes anew what is being removed, when that is over', async () => {
    const wanted = local();
    await a.client.apply(wanted);
    const before = client.route.link('nsm0')!.index;
    const removed = a.client.remove({ crossConnects: [wanted] });
    await a.client.apply(wanted);
    await removed;
    expect(client.route.link('nsm0')?.index).toEqual(expect.any(Number));
    expect(client.route.link('nsm0')?.index).not.toBe(before);
  });

  it('keeps what a forwarder that died was about to delete, when it is wanted', async () => {
    const wanted = local();
    await a.client.apply(wanted);
    client.route.setLink(client.route.link('nsm0')!.index, { group: removalGroup });
    await a.client.apply(wanted);
    expect(client.route.link('nsm0')).toMatchObject({ group: 0 });
  });

  it('tells the networks of a namespace with their interfaces, and addresses that are alone in theirs', async () => {
    const { name, route } = client;
    route.addLink({ kind: 'bridge', name: 'eth0', up: true, alias: 'someone' });
    const index = route.link('eth0')!.index;
    route.addAddress(index, { address: '10.244.0.11/32', nodad: true });
    route.addAddress(index, { address: 'fd44::11/128', nodad: true });
    const { namespace } = await a.client.inspectNamespace({ linuxNamespace: name });
    expect(namespace?.prefixes).toEqual(expect.arrayContaining(['10.244.0.11/32']));
    const eth0 = { interface: 'eth0', id: 'someone' };
    expect(await a.client.listNetworks(namespace!)).toMatchObject({
      networks: [
        { prefix: '10.244.0.11/32', ...eth0 },
        { prefix: 'fd44::11/128', ...eth0 },
      ],
    });
    route.addAddress(index, { address: '10.245.3.4/20' });
    route.addAddress(index, { address: '10.246.0.1/32', peer: '10.247.0.1/24' });
    const { networks } = await a.client.listNetworks(namespace!);
    expect(networks.map(({ prefix }) => prefix).toSorted()).toEqual([
      ...['10.244.0.11/32', '10.245.0.0/20', '10.246.0.1/32', '10.247.0.0/24', 'fd44::11/128'],
    ]);
    route.deleteLink('eth0');
  });

  it('tells of a namespace that dies, an interface that goes, without keeping either', async () => {
    const name = `${namePrefix}dying`;
    createNamespace(name);
    using dying = openNamespace(name);
    const stop = new AbortController();
    const events = a.client.watch({}, { signal: stop.signal });
    await a.client.apply(
      local({
        client: port(client, 'nsm%d', '10.60.0.1/31', '', {
          namespace: { inode: dying.inode, path: `/run/netns/${name}` },
        }),
      }),
    );
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { event } of events) seen.push(nameOf(event));
    })().catch(() => undefined);
    await waitFor(() => a.client.getCapabilities({}));
    const { inode } = dying;
    dying.close();
    deleteNamespace(name);
    await waitFor(
      () => seen.includes(`namespaceGone ${inode}`) && seen.includes('interfaceChanged node-a:1'),
      {
        what: `events, not ${seen}`,
      },
    );
    stop.abort();
    await reading;
  });

  it('tells when someone sets an interface down, or takes its address or route, and not of its own doing', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { event } of a.client.watch({}, { signal: stop.signal }))
        if (event.case !== 'namespaceGone') seen.push(nameOf(event));
    })().catch(() => undefined);
    const { client: made } = await a.client.apply(local());
    const { index } = client.route.link('nsm0')!;
    await sleep(50);
    const takings: [string, () => unknown][] = [
      ['link', () => client.route.setLink(index, { up: false })],
      ['address', () => client.route.deleteAddress(index, { address: made!.addresses[0]! })],
      ['route', () => client.route.deleteRoute({ destination: '10.77.0.0/16', device: index })],
      ['MTU', () => client.route.setLink(index, { mtu: 1400 })],
      ['interface', () => client.route.deleteLink(index)],
    ];
    await a.client.getCapabilities({});
    expect(seen).toEqual([]);
    // Another route in the place of its own, which is back when that has gone.
    client.route.addRoute({ destination: '10.77.0.0/16', device: 1 }, 'replace');
    await waitFor(() => seen.length > 0, { what: 'a route that was replaced' });
    client.route.deleteRoute({ destination: '10.77.0.0/16', device: 1 });
    await a.client.apply(local());
    expect(client.route.routes({ device: index }).map(({ destination }) => destination)).toContain(
      '10.77.0.0/16',
    );
    await a.client.getCapabilities({});
    seen.length = 0;
    for (const [what, take] of takings) {
      const before = await state(client);
      take();
      await waitFor(() => seen.length > 0, { what });
      await a.client.apply(local());
      if (what !== 'interface')
        await waitFor(async () => isDeepStrictEqual(await state(client), before), { what });
      await a.client.getCapabilities({});
      seen.length = 0;
    }
    await a.client.remove({ crossConnects: [local()] });
    await a.client.getCapabilities({});
    expect(seen).toEqual([]);
    stop.abort();
    await reading;
  });

  it('tells when the tunnels it offered would not be offered like that any more', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { event } of a.client.watch({}, { signal: stop.signal }))
        if (event.case !== 'namespaceGone') seen.push(nameOf(event));
    })().catch(() => undefined);
    const mtu = async (): Promise<number> => {
      const { tunnels } = await a.client.offerTunnels({ remote: '10.9.0.2' });
      return tunnels.find(({ type }) => type === TunnelType.VXLAN)!.parameters!.mtu;
    };
    expect(await mtu()).toBe(1450);
    nodeA.route.addLink({ kind: 'bridge', name: 'unrelated', up: true });
    await a.client.apply(local());
    await a.client.getCapabilities({});
    expect(seen).toEqual([]);
    nodeA.route.setLink('under', { mtu: 1400 });
    await waitFor(() => seen.includes('offersChanged true'));
    expect(await mtu()).toBe(1350);
    seen.length = 0;
    nodeA.route.setLink('under', { up: false });
    await waitFor(() => seen.includes('offersChanged true'));
    await expect(mtu()).rejects.toMatchObject({ kind: 'dataplane' });
    // Nobody asks from now on: tunnels may have been made by what was offered before.
    for (const more of [{ mtu: 1500, up: true }, { mtu: 1400 }, { mtu: 1500 }]) {
      seen.length = 0;
      nodeA.route.setLink('under', more);
      await waitFor(() => seen.includes('offersChanged true'));
    }
    stop.abort();
    await reading;
    nodeA.route.addAddress(nodeA.route.link('under')!.index, { address: 'fd09::1/64', nodad: true });
  });

  it('removes a hundred at once', async () => {
    const many = Array.from(
      { length: 100 },
      (_, n): fw.CrossConnect =>
        joined(`node-a:many${n}`, {
          client: port(client, 'nsm%d', `10.61.${n}.1/31`, ''),
          endpoint: port(endpoint, `nse${n}`, `10.61.${n}.0/31`, ''),
        }),
    );
    await Promise.all(many.map((wanted) => a.client.apply(wanted)));
    expect(await linkNames(endpoint)).toHaveLength(100);
    await Promise.all(many.map((wanted) => a.client.remove({ crossConnects: [wanted] })));
    expect([await linkNames(client), await linkNames(endpoint)]).toEqual([[], []]);
  });
});
