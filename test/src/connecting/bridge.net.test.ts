// The bridge endpoint: fifty clients of two nodes in one segment reach each other; it tidies up after itself.
import { Channel, connect, InterfaceType } from '@nsm/api';
import { ipJson, leaks, type Running, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { nsm } from '../mesh/nsm-command.js';
import { bare, isTooLong, passes } from '../mesh/pod-network.js';

const count = 50;

describe.skipIf(!requireRoot('bridge'))('a bridge endpoint', () => {
  let mesh: Mesh;
  let pod: Pod;
  let clients: Pod[];
  let bridge: Running;
  const channels: Channel[] = [];

  const arguments_ = (...more: readonly string[]): string[] => [
    ...['endpoint', 'bridge', '--name', 'lan', '--service', 'lan', '--json', '--run-dir', mesh.a.runDir],
    ...['--prefix', '10.70.0.0/24', '--prefix', 'fd70::/64', ...more],
  ];
  const serve = (): Promise<Running> => mesh.spawn(pod.name, '"event":"advertised"', arguments_());

  beforeAll(async () => {
    // One process of root speaks for all pods.
    mesh = await Mesh.start({ flags: ['--allow-uid', '0'] });
    pod = mesh.pod('lan');
    clients = Array.from({ length: count }, (_, n) => mesh.pod(`client-${n}`));
    bridge = await serve();
    await mesh.b.knows('lan/lan');
  });
  afterAll(async () => {
    for (const channel of channels) channel.close();
    await mesh?.stop();
    expect(leaks()).toEqual([]);
  });

  const clientOf = (node: MeshNode) => {
    const channel = new Channel(`unix:${node.runDir}/client.sock`);
    channels.push(channel);
    return channel.client(connect.ClientConnection);
  };
  const nodeOf = (n: number): MeshNode => (n % 2 === 0 ? mesh.a : mesh.b);
  const members = async (): Promise<number> =>
    (await ipJson(pod.name, ['link', 'show', 'master', 'nsm-bridge'])).length;

  it('has fifty clients that reach each other with packets of their full MTU, and no larger ones', async () => {
    const managers = new Map(mesh.nodes.map((node) => [node, clientOf(node)]));
    const ask = (n: number, requestId = `client-${n}`) =>
      managers.get(nodeOf(n))!.requestConnection({
        requestId,
        networkServiceName: 'lan',
        linuxNamespace: clients[n]!.name,
        interface: [
          {
            type: InterfaceType.KERNEL_INTERFACE,
            parameters: { interfaceParameters: { name: `lan${requestId.length}` } },
          },
        ],
      });
    const replies: Awaited<ReturnType<typeof ask>>[] = [];
    // Not all at once: each is to be answered in its time, also by a machine that has other things to do.
    while (replies.length < clients.length) {
      const next = clients.slice(replies.length, replies.length + 10);
      replies.push(...(await Promise.all(next.map((_, n) => ask(replies.length + n)))));
    }
    expect(replies.map(({ admissionError }) => admissionError).filter(Boolean)).toEqual([]);
    const addresses = replies.map(({ connectionParameters }) => connectionParameters!.addresses);
    expect(new Set(addresses.flat()).size).toBe(2 * count);
    expect(replies[0]?.connectionParameters).toMatchObject({
      mtu: 1430,
      interfaceName: 'lan8',
      peerAddresses: ['10.70.0.1', 'fd70::1'],
    });
    expect(await members()).toBe(count);

    const reached = await Promise.all(
      clients.map(async ({ name }, n) => {
        const [ipv4 = '', ipv6 = ''] = addresses[(n + 1) % count]!.map(bare);
        return (await passes(name, ipv4, 1430)) && (await passes(name, ipv6, 1430));
      }),
    );
    expect(reached.filter(Boolean)).toHaveLength(count);
    expect(await isTooLong(clients[0]!.name, bare(addresses[1]![0]!), 1431)).toBe(true);
    expect(await passes(clients[1]!.name, '10.70.0.1', 1430)).toBe(true);

    // A second connection of the same pod is one more member.
    const second = await ask(0, 'one-more-of-0');
    expect(second).toMatchObject({ accepted: true, connectionParameters: { interfaceName: 'lan13' } });
    expect(await members()).toBe(count + 1);

    // A client that comes back has its address again.
    const { requestId, networkServiceName } = { requestId: 'client-7', networkServiceName: 'lan' };
    await managers.get(nodeOf(7))!.closeConnection({ requestId, networkServiceName });
    expect(await members()).toBe(count);
    expect((await ask(7)).connectionParameters?.addresses).toEqual(addresses[7]);
  });

  it.each([0, 1])('lets a client of node %i change its request', async (n) => {
    const node = nodeOf(n);
    const ask = (name: string) =>
      clientOf(node).requestConnection({
        requestId: `changing-${n}`,
        networkServiceName: 'lan',
        linuxNamespace: clients[n]!.name,
        interface: [
          {
            type: InterfaceType.KERNEL_INTERFACE,
            parameters: { interfaceParameters: { name } },
          },
        ],
      });
    expect(await ask('before')).toMatchObject({ accepted: true });
    expect(await ask('after')).toMatchObject({
      accepted: true,
      admissionError: '',
      connectionParameters: { interfaceName: 'after' },
    });
    // Its new device is a member of the bridge like the former: IPv6 is answered to no other.
    for (const address of ['10.70.0.1', 'fd70::1'])
      expect(await passes(clients[n]!.name, address, 1430), address).toBe(true);
  });

  it('refuses what it cannot be', async () => {
    const twice = await nsm(...arguments_('--netns', pod.name));
    expect(twice.stderr).toMatch(/a bridge \\"nsm-bridge\\" runs in this network namespace already/);
    const taken = await nsm(...arguments_('--netns', mesh.a.namespace.name, '--device', 'underlay'));
    expect(taken.stderr).toMatch(/there is a device \\"underlay\\" already/);
    const bare = await nsm('endpoint', 'bridge', '--name', 'x', '--service', 'x');
    expect(bare.stderr).toMatch(/a bridge needs --prefix/);
  });

  it('leaves no bridge behind, and replaces one that a crash has left', async () => {
    for (const node of mesh.nodes) await node.closeAll();
    const names = async (): Promise<unknown[]> =>
      (await ipJson(pod.name, ['link'])).map(({ ifname }) => ifname);
    bridge.child.kill('SIGKILL');
    await bridge.exited;
    expect(await names()).toEqual(['lo', 'nsm-bridge']);
    bridge = await serve();
    bridge.child.kill('SIGTERM');
    expect(await bridge.exited).toBe(0);
    expect(await names()).toEqual(['lo']);
    expect(await mesh.remains()).toEqual([]);
  });
});
