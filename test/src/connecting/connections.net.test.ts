// Connections of every shape between two nodes: addresses, names, routes, exact MTU, over underlays of each kind and size.
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { type HereAndThere, hereAndThere } from '../mesh/here-and-there.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';
import { bare, deviceOf, devicesOf, hashOf } from '../mesh/pod-network.js';

const prefixes = ['10.60.0.0/16', 'fd00:60::/48', 'four-here=10.61.0.0/16', 'four-there=10.61.0.0/16'];
prefixes.push('six-here=fd00:61::/48', 'six-there=fd00:61::/48');

describe.skipIf(!requireRoot('connections'))('connections', () => {
  let { mesh, client, agent, pods, connect, disconnect } = {} as HereAndThere;
  let own: Pod;

  beforeAll(async () => {
    ({ mesh, client, agent, pods, connect, disconnect } = await hereAndThere(
      (place) => [`dual-${place}`, `four-${place}`, `six-${place}`],
      {
        flags: prefixes.flatMap((prefix) => ['--prefix', prefix]),
      },
    ));
    own = mesh.pod('own');
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
    await mesh.endpoint(mesh.b, { pod: own, name: 'own', services: ['own'], flags: routes });
    await mesh.a.knows('own/own');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  describe.each([
    ['here', 1500],
    ['there', 1450],
  ] as const)('to an endpoint %s', (place, mtu) => {
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
        alias: connected.id,
        mac: connected.mac,
        mtu,
        up: true,
        kind: 'veth',
        routes: [],
      });
      expect(theirs).toMatchObject({
        alias: expect.stringMatching(`^node-${place === 'here' ? 'a' : 'b'}:.*${hash}$`),
        mtu,
        up: true,
        kind: 'veth',
        routes: [],
      });
      expect(mine.addresses).toEqual(connected.addresses);
      expect(theirs.addresses.map(bare)).toEqual(connected.peerAddresses);
      await expectTraffic(client, pods[place], connected);
      await disconnect(service, 'shape');
      expect(await mesh.sweep()).toEqual([]);
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
    expect(await mesh.sweep()).toEqual([]);
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
    expect(await mesh.sweep()).toEqual([]);
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
    expect(await mesh.sweep()).toEqual([]);
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
    expect(await mesh.sweep()).toEqual([]);
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
    expect(await mesh.sweep()).toEqual([]);
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
    expect(device).toMatchObject({ kind: 'veth', mtu });
    await expectTraffic(client, there, connected);
    await nsmJson('disconnect', ...key);
    expect(await mesh.sweep()).toEqual([]);
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
