// A node's own way to the other nodes is not led into a connection: neither for a moment nor until it is mended.
import { firstAnswer, type PingResult, ping, requireRoot } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh, type TestMesh } from '../manager.test.mesh.js';
import { linked, routed, type TestUnderlay } from '../manager.test.underlay.js';

/** What the endpoint gives the client, and itself. */
interface Given {
  readonly clientParameters?: { readonly route?: string[]; readonly addresses?: string[] };
  readonly endpointParameters?: { readonly route?: string[]; readonly addresses?: string[] };
}

/** Whether pings of the node and of a pod all came back, while the node asked. */
async function ask(mesh: TestMesh, other: string, where: 0 | 1, given: Given) {
  await mesh.serve(1, 'ping', 'endpoint');
  await mesh.serve(where, 'gateway', 'other-endpoint', given);
  const [node, pod] = [mesh.pod('node-a'), mesh.pod('pod')];
  const ofPod = await mesh.client(0).requestConnection({
    requestId: 'pod-1',
    networkServiceName: 'ping',
    linuxNamespace: pod.name,
    interface: [kernel],
  });
  const target = ofPod.connectionParameters?.peerAddresses[0] ?? '';
  const all = { count: 60, interval: 0.01 };
  const pings: Promise<PingResult>[] = [ping(node.name, other, all), ping(pod.name, target, all)];
  await firstAnswer(pod.name, target);
  const reply = await mesh.client(0).requestConnection({
    requestId: 'node-1',
    networkServiceName: 'gateway',
    linuxNamespace: node.name,
    interface: [kernel],
  });
  for (const { sent, received } of await Promise.all(pings)) expect(received).toBe(sent);
  const devices = node.route.links().flatMap(({ name }) => (name.startsWith('nsm') ? [name] : []));
  return { reply, devices };
}

const pods = ['pod', 'endpoint', 'other-endpoint'];

interface Underlay {
  readonly how: string;
  readonly underlay: TestUnderlay;
  readonly refused: [what: string, where: 0 | 1, route: string][];
  readonly given: readonly [what: string, route: string];
  /** Further tests on the same mesh. */
  readonly more?: (shared: { readonly mesh: TestMesh }, underlay: TestUnderlay) => void;
}

describe.skipIf(!requireRoot('lifelines')).each<Underlay>([
  {
    how: 'behind an IPv4 router',
    underlay: routed(4),
    refused: [
      ['a default route, the endpoint beyond a tunnel', 1, '0.0.0.0/0'],
      ['a default route, the endpoint on the same node', 0, '0.0.0.0/0'],
      ['the two halves of a default route', 1, '0.0.0.0/1'],
      ['a route to the networks of all nodes', 1, '10.0.0.0/8'],
    ],
    given: ['narrower routes', '192.168.0.0/16'],
    more: refusesMore,
  },
  {
    how: 'behind an IPv6 router',
    underlay: routed(6),
    refused: [
      ['a default route of IPv6, the endpoint beyond a tunnel', 1, '::/0'],
      ['a default route of IPv6, the endpoint on the same node', 0, '::/0'],
    ],
    given: ['narrower routes', '192.168.0.0/16'],
  },
  {
    how: 'on one link',
    underlay: linked(),
    refused: [['a host route, narrower than what leads to the other node', 1, '10.9.0.2/32']],
    given: ['a default route, as the underlay has a more specific one', '0.0.0.0/0'],
  },
])('a node $how that asks for itself', { timeout: 60_000 }, ({ underlay, refused, given, more }) => {
  const shared = sharedMesh(pods, underlay);
  const [, other] = underlay.addresses;

  it.each(refused)('is refused %s that would cut it off', async (_, where, route) => {
    const { reply, devices } = await ask(shared.mesh, other, where, { clientParameters: { route: [route] } });
    expect(reply.accepted).toBe(false);
    expect(reply.admissionError).toContain('(NSM0604)');
    expect(reply.admissionError).toContain(`route ${route}`);
    expect(reply.admissionError).toContain(other);
    expect(devices).toEqual([]);
  });

  it(`has ${given[0]}`, async () => {
    const { reply, devices } = await ask(shared.mesh, other, 1, { clientParameters: { route: [given[1]] } });
    expect(reply.admissionError).toBe('');
    expect(devices).toEqual(['nsm0']);
  });

  more?.(shared, underlay);
});

/** Of networks and of endpoints of the node itself. */
function refusesMore(shared: { readonly mesh: TestMesh }, underlay: TestUnderlay): void {
  it('is refused an address whose network would cut it off', async () => {
    const { reply } = await ask(shared.mesh, underlay.addresses[1], 1, {
      clientParameters: { addresses: ['10.9.200.5/16'] },
      endpointParameters: { addresses: ['10.9.200.6/16'] },
    });
    expect(reply.admissionError).toContain('address 10.9.200.5/16');
    expect(reply.admissionError).toContain('(NSM0604)');
  });

  it.each([
    ['on one node', 1, 'manager "node-a"'],
    ['to another node', 0, 'the other end of its tunnel'],
  ] as const)('that serves is refused a route that would cut it off: %s', async (_, client, what) => {
    const { mesh } = shared;
    await mesh.serve(1, 'site', 'node-b', { endpointParameters: { route: ['10.9.0.0/16'] } });
    const node = mesh.pod('node-b');
    const pings = ping(node.name, underlay.addresses[0], { count: 60, interval: 0.01 });
    const reply = await mesh.client(client).requestConnection({
      requestId: 'pod-1',
      networkServiceName: 'site',
      linuxNamespace: mesh.pod('pod').name,
      interface: [kernel],
    });
    const { sent, received } = await pings;
    expect(received).toBe(sent);
    expect(reply.admissionError).toContain('route 10.9.0.0/16');
    expect(reply.admissionError).toContain(`10.9.1.1, ${what}`);
    expect(reply.admissionError).toContain('serve from a pod');
    expect(node.route.links().filter(({ name }) => name.startsWith('nse'))).toEqual([]);
  });
}
