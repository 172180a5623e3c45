// A client and an endpoint that know nothing but nsm-api.md: they work, locally and over VXLAN, and packets flow.
import { ping, requireRoot, run } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { extensions } from '../mesh/extensions.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { nsmJson } from '../mesh/nsm-command.js';
import { bare, devicesOf } from '../mesh/pod-network.js';
import {
  GRE,
  KERNEL,
  methods,
  proxyConnectionRequest,
  readEndpointConnectionRequest,
  readProxyConnectionReply,
  VXLAN,
} from '../mesh/specification.js';
import { fieldsOf, message } from '../mesh/wire.js';

interface Served {
  readonly pod: Pod;
  readonly agent: Agent;
}

/** An endpoint `place` of `service-PLACE`, in a pod of the node. */
const serveOn = async (mesh: Mesh, node: MeshNode, place: string): Promise<Served> => {
  const pod = mesh.pod(place);
  const agent = await mesh.agent(pod);
  // Where the documentation says; nothing else has made the folder.
  const socket = `${node.runDir}/endpoints/${place}.sock`;
  await agent.serve(socket, { kind: 'answer', netns: pod.netns });
  const verdict = await agent.advertise(node.runDir, { service: `service-${place}`, name: place, socket });
  expect(verdict).toEqual({ accepted: true, error: '' });
  return { pod, agent };
};

/** The other manager is a process on node a that speaks to node b at `target` and programs its pod by itself. */
const joinFromOutside = async (mesh: Mesh, { pod, agent }: Served, target: string): Promise<void> => {
  const outside = await mesh.agent(mesh.a);
  const request = { requestId: 'outside-1', service: 'service-there', provider: 'there' };
  const bytes = proxyConnectionRequest({ ...request, tunnels: [VXLAN] });
  const reply = readProxyConnectionReply(
    await outside.replyTo(target, methods.requestProxyConnection, bytes),
  );
  expect(reply).toEqual({ accepted: true, error: '', tunnelType: VXLAN });
  expect(readEndpointConnectionRequest(await agent.nextAsked())).toEqual({
    requestId: 'outside-1',
    service: 'service-there',
  });

  const [theirs] = await devicesOf(pod.name);
  expect(theirs).toMatchObject({ kind: 'veth', up: true });
  const { tunnels } = await nsmJson<{ readonly tunnels: readonly { readonly identifier: number }[] }>(
    ...['get', 'tunnels', '--run-dir', mesh.b.runDir],
  );
  const there = bare(theirs?.addresses[0] ?? '');
  const mine = there.replace(/\d+$/, (last) => String(Number(last) ^ 1));
  const vxlan = ['type', 'vxlan', 'id', String(tunnels[0]?.identifier), 'dstport', '4789'];
  vxlan.push('local', mesh.a.address, 'remote', mesh.b.address);
  const node = mesh.a.namespace.name;
  await run(undefined, 'ip', ['-n', node, 'link', 'add', 'outside', 'mtu', String(theirs?.mtu), ...vxlan]);
  await run(undefined, 'ip', ['-n', node, 'address', 'add', `${mine}/31`, 'dev', 'outside']);
  await run(undefined, 'ip', ['-n', node, 'link', 'set', 'outside', 'up']);
  expect((await ping(node, there, { count: 3 })).received).toBe(3);
  expect((await ping(pod.name, mine, { count: 3 })).received).toBe(3);

  const again = await outside.replyTo(target, methods.requestProxyConnection, bytes);
  expect(readProxyConnectionReply(again)).toEqual(reply);
  expect(agent.askedCount).toBe(0);
  await run(undefined, 'ip', ['-n', node, 'link', 'delete', 'outside']);
  const close = extensions.closeProxyConnection;
  await outside.replyTo(target, close, message([1, request.requestId], [2, request.service]));
  expect(await mesh.remains()).toEqual([]);
};

describe.skipIf(!requireRoot('specification'))('peers that know only the specification', () => {
  let mesh: Mesh;
  let clientPod: Pod;
  let client: Agent;
  const endpoints: Record<'here' | 'there', Served> = {} as never;

  beforeAll(async () => {
    mesh = await Mesh.start();
    clientPod = mesh.pod('client');
    client = await mesh.agent(clientPod);
    endpoints.here = await serveOn(mesh, mesh.a, 'here');
    endpoints.there = await serveOn(mesh, mesh.b, 'there');
    await mesh.a.knows('service-here/here', 'service-there/there');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  it.each(['here', 'there'] as const)('connect to an endpoint %s: packets flow both ways', async (place) => {
    const service = `service-${place}`;
    const { pod, agent } = endpoints[place];
    const reply = await client.connect(mesh.a.runDir, {
      requestId: 'pod-1',
      service,
      netns: clientPod.netns,
    });
    expect(reply).toMatchObject({ accepted: true, error: '', interfaceType: KERNEL, routes: [] });

    const question = await agent.nextAsked();
    expect(readEndpointConnectionRequest(question)).toEqual({ requestId: 'pod-1', service });
    expect([...fieldsOf(question).keys()].filter((number) => number < 100)).toEqual([1, 2]);

    const [mine] = await devicesOf(clientPod.name);
    const [theirs] = await devicesOf(pod.name);
    expect(mine).toMatchObject({
      up: true,
      addresses: [reply.address],
      kind: 'veth',
    });
    expect(theirs?.addresses).toHaveLength(1);
    const there = bare(theirs?.addresses[0] ?? '');
    expect((await ping(clientPod.name, there, { count: 3 })).received).toBe(3);
    expect((await ping(pod.name, bare(reply.address), { count: 3 })).received).toBe(3);

    const again = await client.connect(mesh.a.runDir, {
      requestId: 'pod-1',
      service,
      netns: clientPod.netns,
    });
    expect(again).toEqual(reply);
    expect(agent.askedCount).toBe(0);
    await client.close(mesh.a.runDir, 'pod-1', service);
    expect(await mesh.remains()).toEqual([]);
  });

  it('advertises several network services in one message', async () => {
    const { agent, pod } = endpoints.here;
    const socket = `${mesh.dir}/many.sock`;
    await agent.serve(socket, { kind: 'answer', netns: pod.netns });
    const verdict = await agent.advertise(
      mesh.a.runDir,
      { service: 'many-1', name: 'many', socket, host: 'node-a', namespace: 'blue' },
      { service: 'many-2', name: 'many', socket, host: 'node-a', namespace: 'blue' },
    );
    expect(verdict).toEqual({ accepted: true, error: '' });
    for (const service of ['many-1', 'many-2']) {
      const reply = await client.connect(mesh.a.runDir, {
        requestId: 'pod-2',
        service,
        netns: clientPod.netns,
      });
      expect(reply).toMatchObject({ accepted: true, error: '' });
      await agent.nextAsked();
    }
    expect(await devicesOf(clientPod.name)).toHaveLength(2);
    for (const service of ['many-1', 'many-2']) await client.close(mesh.a.runDir, 'pod-2', service);
    expect(await mesh.remains()).toEqual([]);
  });

  it('learns in the reply why it is refused', async () => {
    const netns = clientPod.netns;
    const reply = await client.connect(mesh.a.runDir, { requestId: 'pod-3', service: 'nothing', netns });
    expect(reply.accepted).toBe(false);
    expect(reply.error).toMatch(/"nothing".*service-here, service-there/);
    expect(reply).toMatchObject({ address: '', routes: [], interfaceType: undefined });
  });

  it('a manager outside the cluster asks by ProxyConnectionRequest and joins by plain iproute2', async () => {
    await joinFromOutside(mesh, endpoints.there, mesh.b.mtls);
  });

  it('a manager that shares no tunnel type is told so', async () => {
    const outside = await mesh.agent(mesh.a);
    const request = { requestId: 'outside-2', service: 'service-there', provider: 'there', tunnels: [99] };
    const ask = async (tunnels: readonly number[]): Promise<ReturnType<typeof readProxyConnectionReply>> =>
      readProxyConnectionReply(
        await outside.replyTo(
          mesh.b.mtls,
          methods.requestProxyConnection,
          proxyConnectionRequest({ ...request, tunnels }),
        ),
      );
    expect(await ask([99])).toMatchObject({ accepted: false, error: expect.stringMatching(/99.*VXLAN/) });
    expect(await ask([])).toMatchObject({ accepted: false, error: expect.stringMatching(/tunnel_type/) });
    const either = await ask([GRE, VXLAN]);
    expect(either.accepted).toBe(true);
    expect([GRE, VXLAN]).toContain(either.tunnelType);
    await endpoints.there.agent.nextAsked();
    const close = extensions.closeProxyConnection;
    await outside.replyTo(mesh.b.mtls, close, message([1, request.requestId], [2, request.service]));
    expect(await mesh.remains()).toEqual([]);
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});

describe.skipIf(!requireRoot('specification'))('a mesh without certificates (--insecure)', () => {
  it('is joined by a manager outside the cluster all the same, in plain text', async () => {
    await using mesh = await Mesh.start({ flags: ['--insecure'] });
    await joinFromOutside(mesh, await serveOn(mesh, mesh.b, 'there'), mesh.b.tcp);
    expect(await mesh.finish()).toEqual([]);
  });
});
