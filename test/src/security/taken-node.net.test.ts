// Somebody has taken over a node, and with it the certificate of its manager: what they may do in the name of other managers is nothing.
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { proxy, registry, TunnelType } from '@nsm/api';
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsmJson } from '../mesh/nsm-command.js';
import { readVerdict } from '../mesh/specification.js';

/** The agent's certificate is that of manager `agent`. */
const own = 'agent';
const notIts = /may write its own records|in the name of manager/;

const bytesOf = <S extends DescMessage>(schema: S, fields: MessageInitShape<S>): Uint8Array =>
  toBinary(schema, create(schema, fields));

/** What a reply says, but for the time of day. */
function wordsIn(method: string, bytes: Uint8Array): string {
  if (!method.endsWith('CheckConnections')) return Buffer.from(bytes).toString();
  const { time: _, ...reply } = fromBinary(proxy.CheckConnectionsReplySchema, bytes);
  return JSON.stringify(reply);
}

describe.skipIf(!requireRoot('taken node'))('a node that somebody has taken over', () => {
  let mesh: Mesh;
  let [client, there]: Pod[] = [];
  let taken: Agent;
  let connected: Connected;

  beforeAll(async () => {
    mesh = await Mesh.start();
    [client, there] = ['client', 'there'].map((label) => mesh.pod(label));
    [taken] = await Promise.all([
      mesh.agent(mesh.b),
      mesh.endpoint(mesh.b, { pod: there!, name: 'there', services: ['far'] }),
    ]);
    await mesh.a.knows('far/there');
    const flags = ['--request-id', 'one', '--netns', client!.name, '--run-dir', mesh.a.runDir];
    connected = await nsmJson<Connected>('connect', 'far', ...flags);
  });
  afterAll(async () => await mesh?.stop());

  const unchanged = async (): Promise<void> => {
    const managers = await nsmJson<{ name: string; address: string; alive: boolean }[]>(
      ...(['get', 'managers', '--run-dir', mesh.a.runDir] as const),
    );
    for (const { name, tcp } of mesh.nodes)
      expect(managers).toContainEqual(expect.objectContaining({ name, address: tcp, alive: true }));
    expect(await mesh.a.endpoints()).toEqual(['far/there']);
    expect((await mesh.a.connections()).map(({ id, state }) => [id, state])).toEqual([[connected.id, 'UP']]);
  };

  const name = 'node-b';
  const record = { networkServiceName: 'far', nseProviderName: 'there', nseProviderNamespace: 'default' };
  const endpoint = { ...record, networkServiceHost: name, socketLocation: '/x' };
  const writes: [what: string, method: string, bytes: Uint8Array][] = [
    [
      'another manager',
      'RegisterManager',
      bytesOf(registry.RegisterManagerRequestSchema, {
        manager: { name, address: '10.9.0.66:5001' },
        leaseMs: 60_000,
      }),
    ],
    ['the end of another manager', 'EndLease', bytesOf(registry.EndLeaseRequestSchema, { name })],
    [
      'the removal of another manager',
      'RemoveManager',
      bytesOf(registry.RemoveManagerRequestSchema, { name }),
    ],
    ["another's endpoint", 'RegisterEndpoint', bytesOf(registry.RegisterEndpointRequestSchema, { endpoint })],
    [
      "the removal of another's endpoint",
      'RemoveEndpoint',
      bytesOf(registry.RemoveEndpointRequestSchema, { ...record, networkServiceHost: name }),
    ],
    ['a claim for another', 'Claim', bytesOf(registry.ClaimRequestSchema, { name: 'x', holder: name })],
    [
      "the end of another's claim",
      'ReleaseClaim',
      bytesOf(registry.ReleaseClaimRequestSchema, { name: 'x', holder: name }),
    ],
  ];
  it.each(writes)('writes nothing of others into the registry: %s', async (_what, method, bytes) => {
    const called = await taken.call(mesh.a.mtls, `/nsmregistry.Registry/${method}`, bytes);
    expect(called).toMatchObject({ kind: 'failed', details: expect.stringMatching(notIts) });
    await unchanged();
  });

  it('writes nothing of others among what is its own', async () => {
    const put = (host: string) => ({
      write: { case: 'put' as const, value: { ...endpoint, networkServiceHost: host } },
    });
    const removal = { write: { case: 'removal' as const, value: { ...record, networkServiceHost: name } } };
    const bytes = bytesOf(registry.WriteEndpointsRequestSchema, { writes: [put(name), removal, put(own)] });
    const called = await taken.call(mesh.a.mtls, '/nsmregistry.Registry/WriteEndpoints', bytes);
    if (called.kind === 'failed') throw new Error(called.details);
    const { failures } = fromBinary(registry.WriteEndpointsReplySchema, called.bytes);
    expect(failures.map((failure) => failure !== '')).toEqual([true, true, true]);
    await unchanged();
  });

  it('takes nothing away by a removal that names no manager', async () => {
    const bytes = bytesOf(registry.RemoveEndpointRequestSchema, record);
    await taken.call(mesh.a.mtls, '/nsmregistry.Registry/RemoveEndpoint', bytes);
    await unchanged();
  });

  it.each([name, own, ''])(
    'ends, moves and sees no connection of others, in the name of %j',
    async (managerName) => {
      const answers = async (connectionId: string) => {
        const request = { requestId: 'one', networkServiceName: 'far', connectionId, managerName };
        const close = bytesOf(proxy.CloseProxyConnectionRequestSchema, { ...request, reason: 'bye' });
        const move = bytesOf(proxy.MoveConnectionRequestSchema, { ...request, reason: 'bye' });
        const check = bytesOf(proxy.CheckConnectionsRequestSchema, {
          managerName,
          connections: [{ connectionId }],
        });
        const half = { managerName, connectionId };
        const capture = bytesOf(proxy.CaptureHalfRequestSchema, { half });
        const observe = bytesOf(proxy.ObserveHalfRequestSchema, { half });
        const how = { durationMs: 50, secret: new Uint8Array(16) };
        const bench = bytesOf(proxy.ServeHalfBenchRequestSchema, { half, ...how });
        const heard: string[] = [];
        for (const { mtls } of mesh.nodes)
          for (const [method, bytes] of [
            ['ProxyConnection/CloseProxyConnection', close],
            ['ProxyConnection/MoveConnection', move],
            ['ProxyConnection/CheckConnections', check],
            ['HalfInspection/CaptureHalf', capture],
            ['HalfInspection/ObserveHalf', observe],
            ['HalfInspection/ServeBench', bench],
          ] as const) {
            const called = await taken.call(mtls, `/nsmproxy.${method}`, bytes);
            const words = called.kind === 'reply' ? wordsIn(method, called.bytes) : called.details;
            heard.push(words.replaceAll(connectionId, 'ID'));
          }
        return heard;
      };
      // Nor does it hear whether there is such a connection.
      expect(await answers(connected.id)).toEqual(await answers(connected.id.replace(/.$/, '_')));
      await unchanged();
    },
  );

  it.each([
    ['in the name of another manager', { clientManagerName: 'node-a' }, notIts],
    [
      "for another manager's connection",
      { connectionId: 'node-a:00000000-0000000000000000' },
      /is not one of/,
    ],
    [
      'that takes a network from the pod of an endpoint',
      { addressPairs: [{ client: '10.0.0.1/8', endpoint: '10.0.0.2/8', prefix: '10.0.0.0/8' }] },
      /is not the two addresses of a prefix of two/,
    ],
    [
      'that takes the way to a node from it',
      { addressPairs: [{ client: '10.9.0.1/31', endpoint: '10.9.0.0/31', prefix: '10.9.0.0/31' }] },
      /gives the endpoint 10.9.0.0\/31, which leads away what goes to 10.9.0.1, a node of the mesh/,
    ],
    [
      'that takes the way to the metadata of the machine from it',
      {
        addressPairs: [
          { client: '169.254.169.255/31', endpoint: '169.254.169.254/31', prefix: '169.254.169.254/31' },
        ],
      },
      /169.254.169.254, the machine's metadata service/,
    ],
    [
      'that sends to all nodes',
      { tunnelType: [{ type: TunnelType.VXLAN, parameters: { address: '10.9.0.255' } }] },
      /10.9.0.255 is no address of a node/,
    ],
    [
      'that sends to whoever listens',
      { tunnelType: [{ type: TunnelType.VXLAN, parameters: { address: '224.0.0.251' } }] },
      /tunnel address 224.0.0.251 is a multicast address/,
    ],
  ])('asks for no connection %s', async (_what, more, why) => {
    const bytes = bytesOf(proxy.ProxyConnectionRequestSchema, {
      requestId: 'evil',
      networkServiceName: 'far',
      nseProviderName: 'there',
      tunnelType: [{ type: TunnelType.VXLAN, parameters: { address: '10.9.0.3' } }],
      interface: [{ type: 1 }],
      ...more,
    });
    const called = await taken.call(mesh.b.mtls, '/nsmproxy.ProxyConnection/RequestProxyConnection', bytes);
    const error = called.kind === 'failed' ? called.details : readVerdict(called.bytes).error;
    expect(error).toMatch(why);
    await unchanged();
  });

  it('leaves the connection as it was', async () => {
    await expectTraffic(client!, there!, connected);
  });
});
