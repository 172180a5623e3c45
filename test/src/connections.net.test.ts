// Connections of every shape between two nodes, and all their ends: by client, endpoint, namespace and process.
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from './agent.js';
import { expectTraffic } from './expect-traffic.js';
import { extensions } from './extensions.js';
import { Mesh, type Pod } from './mesh.js';
import { type Connected, nsm, nsmJson, spawnNsm } from './nsm-command.js';
import { bare, deviceOf, devicesOf, hashOf } from './pod-network.js';
import { interfaceOf, KERNEL, readVerdict } from './specification.js';
import { message } from './wire.js';

const prefixes = ['10.60.0.0/16', 'fd00:60::/48', 'four-here=10.61.0.0/16', 'four-there=10.61.0.0/16'];
prefixes.push('six-here=fd00:61::/48', 'six-there=fd00:61::/48');

describe.skipIf(!requireRoot('connections'))('connections', () => {
  let mesh: Mesh;
  let client: Pod;
  let agent: Agent;
  const pods: Record<'here' | 'there' | 'own', Pod> = {} as never;

  beforeAll(async () => {
    mesh = await Mesh.start({ flags: prefixes.flatMap((prefix) => ['--prefix', prefix]) });
    client = mesh.pod('client');
    for (const label of ['here', 'there', 'own'] as const) pods[label] = mesh.pod(label);
    const routes = [
      '--prefix',
      '10.62.0.0/24',
      '--prefix',
      'fd00:62::/64',
      '--route',
      '10.99.0.0/16',
      '--route',
      'fd00:99::/32',
    ];
    [agent] = await Promise.all([
      mesh.agent(client),
      mesh.endpoint(mesh.a, {
        pod: pods.here,
        name: 'here',
        services: ['dual-here', 'four-here', 'six-here', 'both'],
      }),
      mesh.endpoint(mesh.b, {
        pod: pods.there,
        name: 'there',
        services: ['dual-there', 'four-there', 'six-there', 'both'],
      }),
      mesh.endpoint(mesh.b, { pod: pods.own, name: 'own', services: ['own'], flags: routes }),
    ]);
    await mesh.a.knows('both/here', 'six-there/there', 'both/there', 'own/own');
    await mesh.b.knows('both/here', 'both/there');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  const connect = (service: string, requestId: string, ...flags: string[]): Promise<Connected> =>
    nsmJson(
      'connect',
      service,
      '--request-id',
      requestId,
      '--netns',
      client.name,
      '--run-dir',
      mesh.a.runDir,
      ...flags,
    );
  const disconnect = (service: string, requestId: string): Promise<void> =>
    agent.close(mesh.a.runDir, requestId, service);

  describe.each([
    ['here', 1500, 'veth'],
    ['there', 1450, 'vxlan'],
  ] as const)('to an endpoint %s', (place, mtu, kind) => {
    it.each([
      ['dual', [/^10\.60\./, /^fd00:60:/]],
      ['four', [/^10\.61\./]],
      ['six', [/^fd00:61:/]],
    ])('%s stack: addresses, names, MTU exact, packets both ways', async (stack, patterns) => {
      const service = `${stack}-${place}`;
      const connected = await connect(service, 'shape');
      expect(connected).toMatchObject({ interfaceName: 'nsm0', mtu, endpoint: place });
      expect(connected.addresses).toEqual(patterns.map((pattern) => expect.stringMatching(pattern)));
      expect(connected.addresses[0]).toBe(connected.address);

      const hash = hashOf(connected.id);
      const mine = await deviceOf(client.name, hash);
      const theirs = await deviceOf(pods[place].name, hash);
      expect(mine).toMatchObject({
        name: 'nsm0',
        alias: `node-a:${hash}`,
        mac: connected.mac,
        mtu,
        up: true,
        kind,
        routes: [],
      });
      expect(theirs).toMatchObject({
        alias: `node-${place === 'here' ? 'a' : 'b'}:${hash}`,
        mtu,
        up: true,
        kind,
        routes: [],
      });
      expect(mine.addresses).toEqual(connected.addresses);
      expect(theirs.addresses.map(bare)).toEqual(connected.peerAddresses);
      await expectTraffic(client, pods[place], connected);
      await disconnect(service, 'shape');
      expect(await mesh.remains()).toEqual([]);
    });
  });

  it("takes an endpoint's own prefixes and routes", async () => {
    const connected = await connect('own', 'own-1');
    expect(connected.addresses).toEqual([
      expect.stringMatching(/^10\.62\.0\./),
      expect.stringMatching(/^fd00:62::/),
    ]);
    expect(connected.routes).toEqual(['10.99.0.0/16', 'fd00:99::/32']);
    const [four = '', six = ''] = connected.peerAddresses;
    const { routes } = await deviceOf(client.name, hashOf(connected.id));
    expect(routes).toEqual([`10.99.0.0/16 via ${four}`, `fd00:99::/32 via ${six}`]);
    await disconnect('own', 'own-1');
    expect(await mesh.remains()).toEqual([]);
  });

  it.each([
    [9000, 8950],
    [1400, 1350],
  ])('an underlay of %i bytes gives remote connections %i and local ones 1500', async (underlay, mtu) => {
    await mesh.setUnderlay('mtu', String(underlay));
    try {
      const remote = await connect('dual-there', 'mtu');
      expect(remote.mtu).toBe(mtu);
      await expectTraffic(client, pods.there, remote);
      const local = await connect('dual-here', 'mtu');
      expect(local.mtu).toBe(1500);
      await expectTraffic(client, pods.here, local);
    } finally {
      await agent.close(mesh.a.runDir, 'mtu', 'dual-there');
      await agent.close(mesh.a.runDir, 'mtu', 'dual-here');
      await mesh.setUnderlay('mtu', '1500');
    }
    expect(await mesh.remains()).toEqual([]);
  });

  it('an underlay too small for IPv6 inside is refused with the sizes', async () => {
    await mesh.setUnderlay('mtu', '1300');
    const refused = await nsm(
      'connect',
      'six-there',
      '--request-id',
      'small',
      '--netns',
      client.name,
      '--run-dir',
      mesh.a.runDir,
    );
    await mesh.setUnderlay('mtu', '1500');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/1250.*1280|1280.*1250/);
    expect(await mesh.remains()).toEqual([]);
  });

  it('several connections of one pod have an interface each, named as asked', async () => {
    const first = await connect('dual-here', 'one');
    const second = await connect('dual-there', 'two', '--interface', 'kernel?name=vpn7');
    const third = await connect('dual-here', 'three');
    const all = [first, second, third];
    expect(all.map(({ interfaceName }) => interfaceName)).toEqual(['nsm0', 'vpn7', 'nsm1']);
    await disconnect('dual-here', 'one');
    expect((await devicesOf(client.name)).map(({ name }) => name).toSorted()).toEqual(['nsm1', 'vpn7']);
    await expectTraffic(client, pods.there, second);
    await expectTraffic(client, pods.here, third);
    const fourth = await connect('dual-here', 'four');
    expect(fourth.interfaceName).toBe('nsm0');
    for (const [id, service] of [
      ['two', 'dual-there'],
      ['three', 'dual-here'],
      ['four', 'dual-here'],
    ] as const)
      await agent.close(mesh.a.runDir, id, service);
    expect(await mesh.remains()).toEqual([]);
  });

  it.each(['here', 'there'] as const)(
    'an endpoint %s ends a connection, and the client hears why',
    async (place) => {
      const service = `dual-${place}`;
      const node = place === 'here' ? mesh.a : mesh.b;
      const args = [
        'connect',
        service,
        '--request-id',
        'ended',
        '--netns',
        client.name,
        '--run-dir',
        mesh.a.runDir,
      ];
      await using holding = await spawnNsm(undefined, '"interfaceName"', [...args, '--hold', '--json']);
      const theirs = await mesh.agent(pods[place]);
      const words = message([1, 'ended'], [2, service], [3, 'maintenance tonight']);
      const target = `unix:${node.runDir}/endpoint.sock`;
      const reply = await theirs.replyTo(target, extensions.closeAsEndpoint, words);
      expect(readVerdict(reply)).toEqual({ accepted: true, error: '' });
      expect(await holding.exited).toBe(1);
      expect(holding.output()).toContain('maintenance tonight');
      expect(await mesh.remains()).toEqual([]);
    },
  );

  it('closing what does not exist succeeds, for client, endpoint and manager', async () => {
    const words = message([1, 'never-was'], [2, 'dual-here']);
    const onNode = await mesh.agent(mesh.a);
    const verdicts = await Promise.all([
      agent.replyTo(`unix:${mesh.a.runDir}/client.sock`, extensions.closeConnection, words),
      agent.replyTo(`unix:${mesh.a.runDir}/endpoint.sock`, extensions.closeAsEndpoint, words),
      onNode.replyTo(mesh.b.tcp, extensions.closeProxyConnection, words),
    ]);
    expect(verdicts.map(readVerdict)).toEqual(Array(3).fill({ accepted: true, error: '' }));
    expect(
      (await nsm('disconnect', 'dual-here', '--request-id', 'never-was', '--run-dir', mesh.a.runDir)).status,
    ).toBe(0);
  });

  it.each(['here', 'there'])("a pod's end releases its connection to an endpoint %s", async (place) => {
    const pod = mesh.pod('mortal');
    await nsmJson(
      'connect',
      `dual-${place}`,
      '--request-id',
      'mortal',
      '--netns',
      pod.name,
      '--run-dir',
      mesh.a.runDir,
    );
    expect(await mesh.remains(0)).not.toEqual([]);
    mesh.removePod(pod);
    expect(await mesh.remains()).toEqual([]);
  });

  it.each(['here', 'there'])('a killed process releases its connection to an endpoint %s', async (place) => {
    const args = ['connect', `dual-${place}`, '--request-id', 'killed', '--netns', client.name];
    await using holding = await spawnNsm(undefined, '"interfaceName"', [
      ...args,
      '--run-dir',
      mesh.a.runDir,
      '--hold',
      '--json',
    ]);
    expect(await mesh.remains(0)).not.toEqual([]);
    holding.child.kill('SIGKILL');
    await holding.exited;
    expect(await mesh.remains()).toEqual([]);
  });

  it('a killed process leaves the connection of its pod where its life is that of the pod', async () => {
    const connected = await connect('dual-there', 'stays');
    expect((await ping(client.name, connected.peerAddresses[0] ?? '')).received).toBe(1);
    await disconnect('dual-there', 'stays');
    expect(await mesh.remains()).toEqual([]);
  });

  it('prefers an endpoint of the same node', async () => {
    const [a, b] = [mesh.a, mesh.b];
    for (const [node, endpoint] of [
      [a, 'here'],
      [b, 'there'],
      [a, 'here'],
    ] as const) {
      const connected = await nsmJson<Connected>(
        'connect',
        'both',
        '--request-id',
        'near',
        '--netns',
        client.name,
        '--run-dir',
        node.runDir,
      );
      expect(connected).toMatchObject({ endpoint, endpointManager: node.name });
      await nsmJson(
        'disconnect',
        'both',
        '--request-id',
        'near',
        '--netns',
        client.name,
        '--run-dir',
        node.runDir,
      );
    }
    expect(await mesh.remains()).toEqual([]);
  });

  describe('among several endpoints', () => {
    beforeAll(async () => {
      const endpoints = [
        [mesh.a, 'red', ['colours'], 'colour=red'],
        [mesh.b, 'blue', ['colours', 'spread'], 'colour=blue'],
        [mesh.b, 'green', ['spread'], 'colour=green'],
      ] as const;
      await Promise.all(
        endpoints.map(([node, name, services, label]) =>
          mesh.endpoint(node, { pod: mesh.pod(name), name, services, flags: ['--label', label] }),
        ),
      );
      await mesh.a.knows('colours/red', 'colours/blue', 'spread/blue', 'spread/green');
    });

    const endpointOf = async (service: string, requestId: string): Promise<string | undefined> =>
      (await mesh.a.connections()).find(
        (connection) => connection.requestId === requestId && connection.networkServiceName === service,
      )?.nseProviderName;

    it.each(['red', 'blue'])('chooses by label: %s', async (colour) => {
      const connected = await connect('colours', 'labelled', '--label', `colour=${colour}`);
      expect(connected.endpoint).toBe(colour);
      await disconnect('colours', 'labelled');
    });

    it('says which labels nobody has', async () => {
      const args = [
        'connect',
        'colours',
        '--request-id',
        'labelled',
        '--netns',
        client.name,
        '--run-dir',
        mesh.a.runDir,
      ];
      const { status, stderr } = await nsm(...args, '--label', 'colour=mauve');
      expect(status).toBe(1);
      expect(stderr).toMatch(/colour=mauve.*red.*blue|colour=mauve.*blue.*red/s);
    });

    it('gives each the same share of connections', async () => {
      const ids = ['s1', 's2', 's3', 's4'];
      const netns = client.netns;
      for (const requestId of ids)
        expect(await agent.connect(mesh.a.runDir, { requestId, service: 'spread', netns })).toMatchObject({
          error: '',
        });
      const chosen = await Promise.all(ids.map((id) => endpointOf('spread', id)));
      expect(chosen.toSorted()).toEqual(['blue', 'blue', 'green', 'green']);
      // The one that has lost a connection is the next.
      await agent.close(mesh.a.runDir, 's1', 'spread');
      await agent.connect(mesh.a.runDir, { requestId: 's5', service: 'spread', netns });
      expect(await endpointOf('spread', 's5')).toBe(chosen[0]);
      for (const id of ['s2', 's3', 's4', 's5']) await agent.close(mesh.a.runDir, id, 'spread');
      expect(await mesh.remains()).toEqual([]);
    });
  });

  it('takes linux_namespace in each of its forms', async () => {
    const forms = [
      String(client.inode),
      `net:[${client.inode}]`,
      client.name,
      `/proc/${agent.pid}/ns/net`,
      `/run/netns/${client.name}`,
    ];
    for (const [index, netns] of forms.entries()) {
      const requestId = `form-${index}`;
      const reply = await agent.connect(mesh.a.runDir, { requestId, service: 'dual-here', netns });
      expect(reply, netns).toMatchObject({ accepted: true, error: '' });
    }
    expect(await devicesOf(client.name)).toHaveLength(forms.length);
    // The same namespace by another name is the same request.
    const again = await agent.connect(mesh.a.runDir, {
      requestId: 'form-0',
      service: 'dual-here',
      netns: client.name,
    });
    expect(again.error).toBe('');
    expect(await devicesOf(client.name)).toHaveLength(forms.length);
    for (const index of forms.keys()) await agent.close(mesh.a.runDir, `form-${index}`, 'dual-here');
    expect(await mesh.remains()).toEqual([]);
  });

  it('goes by the order of preference, and by what can be made', async () => {
    const interfaces = [interfaceOf(5, 3), interfaceOf(KERNEL, 2), interfaceOf(3, 1)];
    const request = { requestId: 'choosy', service: 'dual-here', netns: client.netns, interfaces };
    expect(await agent.connect(mesh.a.runDir, request)).toMatchObject({
      accepted: true,
      interfaceType: KERNEL,
    });
    await agent.close(mesh.a.runDir, 'choosy', 'dual-here');
    const open = { ...request, interfaces: [interfaceOf(0)] };
    expect(await agent.connect(mesh.a.runDir, open)).toMatchObject({ accepted: true, interfaceType: KERNEL });
    await agent.close(mesh.a.runDir, 'choosy', 'dual-here');
    await waitFor(async () => (await devicesOf(client.name)).length === 0);
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});

describe.skipIf(!requireRoot('connections over IPv6'))('connections over an underlay of IPv6', () => {
  let mesh: Mesh;
  let client: Pod;
  let there: Pod;

  beforeAll(async () => {
    mesh = await Mesh.start({ underlay: 6, flags: ['--prefix', '10.60.0.0/16', '--prefix', 'fd00:60::/48'] });
    client = mesh.pod('client');
    there = mesh.pod('there');
    await mesh.endpoint(mesh.b, { pod: there, name: 'there', services: ['dual-there'] });
    await mesh.a.knows('dual-there/there');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  it.each([
    [1500, 1430],
    [9000, 8930],
    [1400, 1330],
  ])('an underlay of %i bytes gives %i', async (underlay, mtu) => {
    await mesh.setUnderlay('mtu', String(underlay));
    const key = ['dual-there', '--request-id', 'six', '--netns', client.name, '--run-dir', mesh.a.runDir];
    const connected = await nsmJson<Connected>('connect', ...key);
    expect(connected).toMatchObject({ mtu, endpoint: 'there', endpointManager: 'node-b' });
    const device = await deviceOf(client.name, hashOf(connected.id));
    expect(device).toMatchObject({ kind: 'vxlan', mtu });
    await expectTraffic(client, there, connected);
    await nsmJson('disconnect', ...key);
    expect(await mesh.remains()).toEqual([]);
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
