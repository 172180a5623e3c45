// A gateway and managers with no more than their containers are given, /proc/sys read-only: clients reach the world through it, and
// their cluster without it.
import { makeNamespace, ping, requireRoot, run, type TestNamespace, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contained, managerCapabilities } from '../mesh/contained.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { nsmJson } from '../mesh/nsm-command.js';
import { devicesOf } from '../mesh/pod-network.js';

const [podNetwork, services, otherNodes] = ['10.244.1', '10.96.0.0/12', '192.0.2.10'];
const service = '10.96.0.10';
const world = ['198.51.100.1', '2001:db8:1::1'] as const;

describe.skipIf(!requireRoot('gateway'))('a gateway with CAP_NET_ADMIN and nothing more', () => {
  let mesh: Mesh;
  let client: Pod;
  let edge: Pod;
  let cluster: TestNamespace;
  let internet: TestNamespace;

  /** A pod's own way out. */
  const attach = async (
    pod: Pod,
    to: TestNamespace,
    networks: readonly [string, string][],
  ): Promise<void> => {
    pod.namespace.route.addLink({
      kind: 'veth',
      name: 'eth0',
      up: true,
      peer: { name: 'pod', namespace: to.namespace, up: true },
    });
    const [own, other] = [pod.namespace.route.link('eth0')!.index, to.route.link('pod')!.index];
    for (const [address, gateway] of networks) {
      pod.namespace.route.addAddress(own, { address, nodad: true });
      to.route.addAddress(other, { address: `${gateway}/${address.split('/')[1]}`, nodad: true });
      pod.namespace.route.addRoute({ destination: 'default', gateway, device: own });
    }
  };

  beforeAll(async () => {
    mesh = await Mesh.start({
      before: contained(...managerCapabilities),
      flags: ['--cluster-prefix', services],
    });
    [client, edge] = [mesh.pod('client'), mesh.pod('edge')];
    [cluster, internet] = [makeNamespace('cluster'), makeNamespace('internet')];
    await attach(client, cluster, [[`${podNetwork}.5/24`, `${podNetwork}.1`]]);
    await attach(edge, internet, [
      ['192.0.2.1/24', '192.0.2.2'],
      ['2001:db8::1/64', '2001:db8::2'],
    ]);
    for (const address of [service, otherNodes])
      cluster.route.addAddress(cluster.route.link('lo')!.index, { address });
    for (const address of world)
      internet.route.addAddress(internet.route.link('lo')!.index, { address, nodad: true });
  });

  afterAll(async () => {
    await mesh?.stop();
    for (const namespace of [cluster, internet]) namespace?.remove();
  });

  const serve = (name: string, ...prefixes: readonly string[]) =>
    mesh.spawn(
      edge.name,
      '"event":"advertised"',
      [
        ...['endpoint', 'gateway', '--service', name, '--name', name, '--outside', 'eth0'],
        ...['--run-dir', mesh.b.runDir, '--json', ...prefixes.flatMap((prefix) => ['--prefix', prefix])],
      ],
      { before: contained('net_admin') },
    );
  const connect = async (name: string): Promise<void> => {
    await mesh.a.knows(`${name}/${name}`);
    const flags = ['--request-id', name, '--netns', client.name, '--run-dir', mesh.a.runDir];
    await nsmJson('connect', name, ...flags);
  };
  const setting = async (name: string): Promise<string> =>
    (await run(edge.name, 'cat', [`/proc/sys/net/${name}`])).trim();
  const reached = async (address: string): Promise<number> => (await ping(client.name, address)).received;

  it('passes on IPv4 and touches nothing of IPv6, and takes nothing of the cluster', async () => {
    const before = await devicesOf(client.name);
    const gateway = await serve('four', '10.61.0.0/24');
    await connect('four');
    expect(await reached(world[0])).toBe(1);
    expect(await setting('ipv6/conf/all/forwarding')).toBe('0');
    expect(await setting('ipv4/ip_forward')).toBe('0');
    expect(await reached(service)).toBe(1);
    // As the host network of another node calls.
    const called = await run(cluster.name, 'ping', ['-nc1', '-W3', '-I', otherNodes, `${podNetwork}.5`]);
    expect(called).toContain('1 received');
    for (const node of mesh.nodes) await node.restart('SIGKILL');
    expect([await reached(world[0]), await reached(service)]).toEqual([1, 1]);
    await run(client.name, 'ip', ['rule', 'del', 'from', `${podNetwork}.5`]);
    await mesh.a.restart('SIGTERM');
    expect(await run(client.name, 'ip', ['rule'])).toContain(`from ${podNetwork}.5`);
    await mesh.a.closeAll();
    expect(await devicesOf(client.name)).toEqual(before);
    expect(await run(client.name, 'ip', ['rule'])).not.toContain(podNetwork);
    await gateway.stop();
    expect(await setting('ipv4/conf/eth0/forwarding')).toBe('0');
  });

  it('has IPv6 passed on by the manager, which may', async () => {
    const gateway = await serve('six', '10.61.0.0/24', 'fd61::/64');
    await connect('six');
    for (const address of world) expect(await reached(address)).toBe(1);
    expect(await setting('ipv6/conf/all/forwarding')).toBe('1');
    await mesh.a.closeAll();
    expect(await mesh.remains(500)).toEqual([...mesh.pods].flatMap(({ name }) => [`${name}: device eth0`]));
    await gateway.stop();
  });

  it('passes on by an outside device that comes in the place of another', async () => {
    const gateway = await serve('again', '10.62.0.0/24');
    await connect('again');
    await run(edge.name, 'ip', ['link', 'delete', 'eth0']);
    await attach(edge, internet, [['192.0.2.1/24', '192.0.2.2']]);
    await waitFor(async () => (await reached(world[0])) === 1, { what: 'an answer from the world' });
    await mesh.a.closeAll();
    await gateway.stop();
  });

  it('is not alone: so does a bridge', async () => {
    await mesh.spawn(
      edge.name,
      '"event":"advertised"',
      [
        ...['endpoint', 'bridge', '--service', 'segment', '--name', 'segment', '--prefix', '10.70.0.0/24'],
        ...['--prefix', 'fd70::/64', '--run-dir', mesh.b.runDir, '--json'],
      ],
      { before: contained('net_admin') },
    );
    await connect('segment');
    for (const address of ['10.70.0.1', 'fd70::1']) expect(await reached(address)).toBe(1);
    await mesh.a.closeAll();
  });
});
