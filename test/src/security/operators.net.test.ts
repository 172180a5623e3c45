// Operators on other machines: what their certificates are good for, and what those of managers are not.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { admin, Channel, NsmError, proxy, registry, Server } from '@nsm/api';
import { openCredentials } from '@nsm/pki';
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent, Called } from '../mesh/agent.js';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsmJson } from '../mesh/nsm-command.js';
import { pkiDir } from './shown-certificates.js';

const bytesOf = <S extends DescMessage>(schema: S, fields: MessageInitShape<S>): Uint8Array =>
  toBinary(schema, create(schema, fields));
const nothing = new Uint8Array();

describe.skipIf(!requireRoot('operators'))('an operator on another machine', () => {
  let mesh: Mesh;
  let [client, there]: Pod[] = [];
  let caller: Agent;
  let connected: Connected;
  let asOperator: string;

  beforeAll(async () => {
    mesh = await Mesh.start();
    asOperator = `operator:${mesh.a.tcp}`;
    [client, there] = ['client', 'there'].map((label) => mesh.pod(label));
    [caller] = await Promise.all([
      mesh.agent(mesh.b),
      mesh.endpoint(mesh.b, { pod: there!, name: 'there', services: ['far'] }),
    ]);
    await mesh.a.knows('far/there');
    const flags = ['--request-id', 'one', '--netns', client!.name, '--run-dir', mesh.a.runDir];
    connected = await nsmJson<Connected>('connect', 'far', ...flags);
  });
  afterAll(async () => await mesh?.stop());

  const look = (target: string, method: string, request: Uint8Array = nothing): Promise<Called> =>
    caller.call(target, `/nsmadmin.Admin/${method}`, request);
  const refusal = (word: RegExp) => ({ kind: 'failed', details: expect.stringMatching(word) });

  it('sees managers, connections, and why an endpoint would be chosen', async () => {
    const connections = await look(asOperator, 'ListConnections');
    if (connections.kind === 'failed') throw new Error(connections.details);
    const reply = fromBinary(admin.ListConnectionsReplySchema, connections.bytes);
    expect(reply.connections).toMatchObject([{ id: connected.id, state: 'UP' }]);
    const why = bytesOf(admin.ExplainSelectionRequestSchema, { networkServiceName: 'far' });
    expect(await look(asOperator, 'ExplainSelection', why)).toMatchObject({ kind: 'reply' });
    expect(await look(asOperator, 'GetManager')).toMatchObject({ kind: 'reply' });
  });

  it('changes nothing: neither ends a connection nor drains the node', async () => {
    const close = bytesOf(admin.CloseConnectionRequestSchema, { id: connected.id });
    const word = /operators look over TCP/;
    expect(await look(asOperator, 'CloseConnection', close)).toMatchObject(refusal(word));
    expect(await look(asOperator, 'Drain')).toMatchObject(refusal(word));
    await expectTraffic(client!, there!, connected);
  });

  const ofManagers: [method: string, request: Uint8Array][] = [
    [
      '/nsmproxy.ProxyConnection/CloseProxyConnection',
      bytesOf(proxy.CloseProxyConnectionRequestSchema, { requestId: 'one', networkServiceName: 'far' }),
    ],
    [
      '/nsmproxy.ProxyConnection/CheckConnections',
      bytesOf(proxy.CheckConnectionsRequestSchema, { managerName: 'agent' }),
    ],
    ['/nsmproxy.HalfInspection/CaptureHalf', nothing],
    ['/nsmproxy.HalfInspection/ServeBench', nothing],
    ['/nsmregistry.Registry/EndLease', bytesOf(registry.EndLeaseRequestSchema, { name: 'agent' })],
    ['/nsmregistry.Registry/Watch', nothing],
  ];
  it.each(ofManagers)('is no manager: %s is not for its certificate', async (method, request) => {
    const word = /spiffe:\/\/nsm\/operator\/agent may not call/;
    expect(await caller.call(asOperator, method, request)).toMatchObject(refusal(word));
  });

  it('is not what a manager is: the certificate of a node sees nothing of other nodes', async () => {
    const word = /spiffe:\/\/nsm\/manager\/agent may not call nsmadmin.Admin/;
    expect(await look(mesh.a.mtls, 'ListConnections')).toMatchObject(refusal(word));
  });

  it('has a certificate of nsm pki issue --operator, which nobody takes for a manager', async () => {
    const flags = [
      'pki',
      'issue',
      'node-a',
      '--operator',
      '--dir',
      pkiDir,
      '--out',
      join(mesh.dir, 'operator'),
    ];
    const files = await nsmJson<{ cert: string; key: string; ca: string }>(...flags);
    expect(readFileSync(files.cert, 'utf8')).toContain('BEGIN CERTIFICATE');
    const sources = { tlsCert: files.cert, tlsKey: files.key, tlsCa: files.ca, pkiDir, stateDir: mesh.dir };
    const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
    using credentials = await openCredentials(sources, { kind: 'operator', name: 'node-a' }, quiet);
    const server = new Server();
    const port = await server.listenTcp('127.0.0.1:0', { credentials: credentials! });
    using channel = new Channel(`127.0.0.1:${port}`, { credentials });
    const error = await channel.ready(500).then(() => undefined, NsmError.from);
    expect(error?.message).toMatch(/operator\/node-a, and not a manager or registry/);
    await server.stop();
    rmSync(join(mesh.dir, 'operator'), { recursive: true });
  });

  it('leaves nothing', async () => {
    await nsmJson(
      'disconnect',
      'far',
      '--request-id',
      'one',
      '--netns',
      client!.name,
      '--run-dir',
      mesh.a.runDir,
    );
    expect(await mesh.finish()).toEqual([]);
  });
});

it.skipIf(!requireRoot('operators'))(
  'a manager in plain text shows itself to whoever reaches its port only when it is told to, and is not changed',
  async () => {
    const flagsOf = ({ dir }: { readonly dir: string }): string[] =>
      dir.endsWith('node-a') ? ['--insecure-operators'] : [];
    await using mesh = await Mesh.start({ flags: ['--insecure'], flagsOf });
    await using caller = await mesh.agent(mesh.b);
    const call = (to: string, method: string): Promise<Called> =>
      caller.call(to, `/nsmadmin.Admin/${method}`, nothing);
    expect(await call(mesh.a.tcp, 'GetManager')).toMatchObject({ kind: 'reply' });
    expect(await call(mesh.a.tcp, 'Drain')).toMatchObject({
      details: expect.stringMatching(/look over TCP/),
    });
    for (const method of ['GetManager', 'Drain'])
      expect(await call(mesh.b.tcp, method)).toMatchObject({
        kind: 'failed',
        details: expect.stringMatching(/unimplemented|not implement/i),
      });
  },
);
