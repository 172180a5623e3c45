// An endpoint of an ordinary user answers with what would take packets away from where its client's pod sends them now.
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { kernelWith } from '../mesh/extensions.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Field, message } from '../mesh/wire.js';

const user = 61_001;
const service = 'evil';

interface Given {
  readonly addresses?: readonly string[];
  readonly routes?: readonly string[];
  readonly mtu?: number;
  readonly dns?: readonly string[];
}

/** client_parameters of a reply. */
const parametersOf = ({ addresses = ['10.7.0.1/24'], routes = [], mtu, dns = [] }: Given): string => {
  const fields: Field[] = [
    ...routes.map((route) => [2, route] as const),
    ...addresses.map((address) => [100, address] as const),
    ...(dns.length > 0 ? [[102, message(...dns.map((server) => [1, server] as const))] as const] : []),
    ...(mtu === undefined ? [] : [[103, mtu] as const]),
  ];
  return Buffer.from(message([101, message(...fields)])).toString('base64');
};

describe.skipIf(!requireRoot('evil answers'))('an endpoint that answers what none should', () => {
  let mesh: Mesh;
  let pod: Pod;
  let client: Agent;
  let endpoint: Agent;
  /** The endpoint's. */
  let netns: string;
  /** Path of the endpoint's socket for a node. */
  let socketOf: (node: string) => string;

  beforeAll(async () => {
    mesh = await Mesh.start({ flags: ['--cluster-prefix', '10.96.0.0/12'] });
    pod = mesh.pod('client');
    const { route } = pod.namespace;
    for (const [name, address] of [
      ['eth0', '10.200.0.5/24'],
      ['eth1', '10.201.0.5/24'],
    ] as const) {
      route.addLink({ kind: 'bridge', name, up: true });
      route.addAddress(route.link(name)?.index ?? 0, { address });
    }
    route.addRoute({ destination: 'default', gateway: '10.200.0.1' });
    route.addRoute({ destination: '10.50.0.0/16', gateway: '10.201.0.1' });
    const there = mesh.pod('endpoint');
    const folder = join(mesh.dir, 'user');
    socketOf = (name) => join(folder, `${name}.sock`);
    chmodSync(mesh.dir, 0o711);
    mkdirSync(folder);
    chownSync(folder, user, user);
    [client, endpoint] = await Promise.all([mesh.agent(pod), mesh.agent(there, { user })]);
    for (const { runDir, name } of [mesh.a, mesh.b]) {
      const socket = socketOf(name);
      await endpoint.serve(socket, { kind: 'answer', netns: there.netns });
      const { error } = await endpoint.advertise(runDir, { service: `${service}-${name}`, name, socket });
      expect(error).toBe('');
    }
    await mesh.a.knows(
      `${service}-${mesh.a.name}/${mesh.a.name}`,
      `${service}-${mesh.b.name}/${mesh.b.name}`,
    );
    netns = there.netns;
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  /** The refusal, or ''. The connection is closed again. */
  const askFor = async (node: string, given: Given, parameters: Readonly<Record<string, string>> = {}) => {
    await endpoint.behave({ kind: 'answer', netns, more: parametersOf(given) });
    const before = pod.namespace.route.routes().map(({ destination, device }) => `${destination} ${device}`);
    const request = {
      requestId: 'victim',
      service: `${service}-${node}`,
      netns: pod.netns,
      interfaces: [kernelWith(parameters)],
    };
    const { accepted, error } = await client.connect(mesh.a.runDir, request);
    if (accepted) await client.close(mesh.a.runDir, request.requestId, request.service);
    const after = pod.namespace.route.routes().map(({ destination, device }) => `${destination} ${device}`);
    expect(after).toEqual(before);
    return error;
  };

  it.each([
    ['loopback', { addresses: ['127.0.0.5/8'] }, /loopback/],
    ['an unspecified address', { addresses: ['0.0.0.0/0'] }, /this network/],
    ['multicast', { addresses: ['224.0.0.1/4'] }, /multicast/],
    ['a connected route to everything', { addresses: ['10.9.9.1/0'] }, /all addresses there are/],
    ["the pod's own address", { addresses: ['10.200.0.5/24'] }, /has 10.200.0.0\/24 on eth0/],
    ["the pod's gateway", { addresses: ['10.200.0.1/31'] }, /has 10.200.0.0\/24 on eth0/],
    ["half of the pod's network", { routes: ['10.200.0.0/25'] }, /has 10.200.0.0\/24 on eth0/],
    ['part of what the pod routes elsewhere', { routes: ['10.50.3.0/24'] }, /routes 10.50.0.0\/16 on eth1/],
    ['an address in what the pod routes elsewhere', { addresses: ['10.50.3.1/24'] }, /10.50.0.0\/16 on eth1/],
    ['such an address in a larger network', { addresses: ['10.50.3.1/9'] }, /10.50.0.0\/16 on eth1/],
    ['a part of the cluster', { routes: ['10.100.0.0/16'] }, /routes 10.96.0.0\/12 on eth0/],
    ['an address of the cluster', { addresses: ['10.100.0.1/24'] }, /routes 10.96.0.0\/12 on eth0/],
    ['a way to a node', { routes: ['10.9.0.0/24'] }, /10.9.0.1, a node of the mesh/],
    ['a way to the metadata of the machine', { routes: ['169.254.169.254/32'] }, /metadata service/],
    ['a loopback route', { routes: ['127.0.0.0/8'] }, /loopback/],
    ['an MTU that breaks ways', { mtu: 68 }, /below the 576 bytes/],
    ['DNS servers that are none', { dns: ['\u001b]0;pwned\u0007'] }, /no address without length/],
    [
      'more DNS servers than are of use',
      { dns: Array.from({ length: 65 }, (_, index) => `10.8.0.${index}`) },
      /65 entries/,
    ],
  ] satisfies [string, Given, RegExp][])(
    'is refused, here and from another node: %s',
    async (_what, given, why) => {
      expect(await askFor(mesh.a.name, given)).toMatch(why);
      expect(await askFor(mesh.b.name, given)).toMatch(why);
    },
  );

  it('gives a default route, and what is less specific than the ways of the pod', async () => {
    for (const { name } of [mesh.a, mesh.b]) {
      expect(await askFor(name, { routes: ['0.0.0.0/1', '128.0.0.0/1'] })).toBe('');
      expect(await askFor(name, { routes: ['10.48.0.0/12'] })).toBe('');
    }
  });

  it('gives what the client asks for', async () => {
    const parameters = { accept_routes: '10.50.0.0/16' };
    for (const { name } of [mesh.a, mesh.b])
      expect(await askFor(name, { routes: ['10.50.3.0/24'] }, parameters)).toBe('');
    expect(await askFor(mesh.a.name, {}, { accept_routes: '10.50/16' })).toMatch(/is no prefix/);
  });

  it('has nothing of its pod changed that it could not change itself', async () => {
    await endpoint.behave({ kind: 'answer', netns });
    for (const { runDir, name } of [mesh.a, mesh.b]) {
      const own = { service: `router-${name}`, name: `router-${name}`, socket: socketOf(name) };
      const { error } = await endpoint.advertise(runDir, {
        ...own,
        interfaces: [kernelWith({ forwarding: 'on' })],
      });
      expect(error).toBe('');
      await mesh.a.knows(`${own.service}/${own.name}`);
      const request = { requestId: 'router', service: own.service, netns: pod.netns };
      expect((await client.connect(mesh.a.runDir, request)).error).toMatch(/forwarding=on.*CAP_NET_ADMIN/);
    }
  });

  it('leaves nothing behind', () => {
    expect(pod.namespace.route.links().map(({ name }) => name)).toEqual(['lo', 'eth0', 'eth1']);
  });
});
