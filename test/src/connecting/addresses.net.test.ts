// Addresses as people write them on the command line: whatever the spelling, packets go, and nothing is mended afterwards.
import { RouteMonitor } from '@nsm/netlink';
import { ping, requireRoot, tried } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';

/** What an endpoint is told, what clients reach by it, and their routes; undefined peers: of a prefix. */
type Accepted = readonly [
  name: string,
  flags: readonly string[],
  peers: readonly string[] | undefined,
  routes: readonly string[],
];

describe.skipIf(!requireRoot('addresses'))('addresses on the command line', () => {
  let mesh: Mesh;

  beforeAll(async () => {
    mesh = await Mesh.start();
  });
  afterAll(async () => {
    await mesh?.stop();
  });

  const argsOf = (pod: Pod, service: string): string[] => [
    ...[service, '--request-id', service, '--netns', pod.name, '--run-dir', mesh.a.runDir],
  ];

  const accepted: Accepted[] = [
    ['upper', ['--address', 'FD00:66::5/127'], ['fd00:66::4'], []],
    ['zeros', ['--address', 'fd00:0067:0:0::0005/64=fd00:0067::0001/64'], ['fd00:67::1'], []],
    ['mapped', ['--address', '::ffff:10.66.0.5/127'], ['10.66.0.4'], []],
    ['alone', ['--address', '10.63.1.5/24'], ['10.63.1.1'], []],
    [
      'single',
      ['--address', '10.61.1.5/32=10.61.1.1/32', '--route', '10.99.1.5/16'],
      ['10.61.1.1'],
      ['10.61.1.1/32', '10.99.0.0/16'],
    ],
    ['single6', ['--address', 'FD00:61::5/128=FD00:61::1/128'], ['fd00:61::1'], ['fd00:61::1/128']],
    ['prefix', ['--prefix', 'FD00:62::7/64', '--route', 'FD00:99::/32'], undefined, ['fd00:99::/32']],
  ];
  // All at once: each has its own network and its own pods.
  it.concurrent.each(accepted)('%s: %j', { timeout: 60_000 }, async (name, flags, peers, routes) => {
    const trying = async (node: MeshNode): Promise<void> => {
      const pod = mesh.pod(`endpoint-${name}`);
      const service = `${name}-${node.name}`;
      await mesh.endpoint(node, { pod, name: service, services: [service], flags: [...flags] });
      await mesh.a.knows(`${service}/${service}`);
      const client = mesh.pod(`client-${service}`);
      const connected = await nsmJson<Connected>('connect', ...argsOf(client, service));
      expect(connected.routes).toEqual(routes);
      if (peers) expect(connected.peerAddresses).toEqual(peers);
      const losses: unknown[] = [];
      const monitors = [client, pod].map(({ namespace: { namespace } }) =>
        RouteMonitor.open({ namespace, groups: ['link', 'address', 'route'], lossesOnly: true }),
      );
      for (const monitor of monitors) monitor.on('event', (event) => losses.push(event));
      for (const peer of connected.peerAddresses)
        expect(await ping(client.name, peer, { count: 20 }), peer).toMatchObject({ received: 20 });
      // Compared with the kernel once more.
      await nsmJson<Connected>('connect', ...argsOf(client, service));
      const connections = await mesh.a.connections();
      expect(connections.find(({ requestId }) => requestId === service)).toMatchObject({
        state: 'UP',
        detail: '',
      });
      expect(losses).toEqual([]);
      for (const monitor of monitors) monitor.close();
      await nsmJson('disconnect', ...argsOf(client, service));
    };
    // Not thoroughly, each spelling on one node, and each node has every second one.
    const turn = accepted.findIndex(([one]) => one === name) % 2;
    await Promise.all(tried(mesh.nodes, (_, index) => index === turn).map(trying));
  });

  it('leaves nothing of these', async () => {
    expect(await mesh.sweep()).toEqual([]);
  });

  it.each([
    [['--address', '224.0.0.5/24'], /224.0.0.5\/24 is a multicast address/],
    [['--address', '10.0.0.5/32'], /no other address in its network/],
    [['--address', '10.0.0.5/24=::ffff:10.0.0.5/128'], /the same address/],
    [
      ['--address', '10.0.0.5/24', '--route', 'fd00::/16'],
      /clients get no IPv6 address to reach route fd00::\/16 by/,
    ],
    [['--route', 'ff00::/8'], /is a multicast address/],
    [['--prefix', '10.0.0.1/32'], /prefixes: 10.0.0.1\/32 has no room for a pair of addresses/],
  ])('refuses before it serves: %j', async (flags, message) => {
    const where = ['--netns', mesh.pod('refused').name, '--run-dir', mesh.a.runDir];
    const { status, stderr } = await nsm(
      'endpoint',
      'icmp-responder',
      '--service',
      'x',
      '--name',
      'x',
      ...where,
      ...flags,
    );
    expect(stderr).toMatch(message);
    expect(status).not.toBe(0);
  });

  it("refuses addresses of a network that the client's pod has, and says in the endpoint's log what it cannot use", async () => {
    const client = mesh.pod('overlapped');
    const { route } = client.namespace;
    route.addLink({ kind: 'bridge', name: 'eth0', up: true });
    route.addAddress(route.link('eth0')!.index, { address: '10.244.0.11/16' });
    const bridge = await mesh.spawn(mesh.pod('lan').name, '"event":"advertised"', [
      ...['endpoint', 'bridge', '--service', 'lan', '--name', 'lan', '--prefix', '10.244.7.0/24'],
      ...['--run-dir', mesh.b.runDir, '--json'],
    ]);
    await mesh.a.knows('lan/lan');
    const { stderr } = await nsm('connect', ...argsOf(client, 'lan'));
    const why =
      /endpoint "lan" gives the client 10.244.7.\d+\/24, and the client's pod has 10.244.0.0\/16 on eth0 already/;
    expect(stderr).toMatch(why);
    expect(bridge.output().replaceAll('\\"', '"')).toMatch(why);
    route.deleteLink('eth0');
    bridge.child.kill('SIGTERM');
    await bridge.exited;
    expect(await mesh.sweep()).toEqual([]);
  });
});
