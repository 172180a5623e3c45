// connect() against the manager's side of the wire: request, reply, refusal, absence, events, restart, close.
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { connect as wire } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { type ConnectionEvent, connect, disconnect } from './index.js';
import { ManagerSide } from './manager-side.test.support.js';

const { UP, HEALING, CLOSED } = wire.ConnectionEvent_Kind;
const key = { requestId: 'pod-1', service: 'secure-gateway' };

async function next(events: AsyncIterator<ConnectionEvent>): Promise<ConnectionEvent | undefined> {
  const { value, done } = await events.next();
  return done ? undefined : value;
}

describe('connect', () => {
  it('sends what was asked, in order, with its own namespace, and reads the reply', async () => {
    await using manager = await new ManagerSide().start();
    await using connection = await connect({
      ...key,
      runDir: manager.runDir,
      interfaces: ['kernel', { type: 'mem', preference: 'second', parameters: { role: 'client' } }],
      labels: { tier: 'gold' },
    });
    expect(manager.requests[0]).toMatchObject({
      requestId: 'pod-1',
      networkServiceName: 'secure-gateway',
      linuxNamespace: /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0],
      lifetime: wire.ConnectionLifetime.PROCESS_LIFETIME,
      labels: { selector: { tier: 'gold' } },
      interface: [
        { type: 1, preference: 0 },
        { type: 3, preference: 2, parameters: { interfaceParameters: { role: 'client' } } },
      ],
    });
    expect({ ...pick(connection) }).toEqual({
      id: 'node-a:1',
      interface: 'kernel',
      interfaceName: 'nsm0',
      address: '10.60.1.1/31',
      addresses: ['10.60.1.1/31'],
      peerAddresses: ['10.60.1.0'],
      routes: ['10.0.0.0/8'],
      dns: { servers: ['10.0.0.53'], searchDomains: ['mesh'] },
      mtu: 1450,
      state: 'up',
    });
    await connection.close();
    await connection.close();
    expect(manager.closed).toEqual(['pod-1']);
    expect(connection.state).toBe('closed');
  });

  it('throws a refusal as the manager worded it', async () => {
    await using manager = await new ManagerSide().start();
    manager.refuse = 'no endpoint provides network service "firewal"; known: firewall (NSM0201)';
    await expect(connect({ service: 'firewal', runDir: manager.runDir })).rejects.toMatchObject({
      kind: 'no-endpoint',
      message: 'no endpoint provides network service "firewal"; known: firewall',
    });
  });

  it('says which socket nobody answers on', async () => {
    await using manager = new ManagerSide();
    await expect(connect({ service: 'x', runDir: manager.runDir })).rejects.toMatchObject({
      kind: 'unavailable',
      message: `no manager answers on ${join(manager.runDir, 'client.sock')}: is \`nsm manager\` running, and is this its run directory?`,
    });
    await manager.start();
    await manager.stop();
    await expect(connect({ service: 'x', runDir: manager.runDir })).rejects.toMatchObject({
      kind: 'unavailable',
    });
  });

  it('says that the manager was stopped under it, when none comes back', async () => {
    await using manager = await new ManagerSide().start();
    const asked = new Promise<void>((resolve) => {
      manager.onRequest = async () => {
        resolve();
        await new Promise(() => undefined);
      };
    });
    const refused = expect(
      connect({ ...key, runDir: manager.runDir, timeoutMs: 1000, lifetime: 'namespace' }),
    ).rejects.toMatchObject({
      code: 'NSM0007',
      message: `the manager on ${join(manager.runDir, 'client.sock')} was stopped during the call: ask again when it is back`,
    });
    await asked;
    await manager.stop();
    await refused;
  });

  it('waits for a manager when asked to', async () => {
    await using manager = new ManagerSide();
    const connecting = connect({ ...key, runDir: manager.runDir, waitMs: 20_000, lifetime: 'namespace' });
    await manager.start();
    await using connection = await connecting;
    expect(connection.interfaceName).toBe('nsm0');
  });

  it('stops when cancelled, and takes back what only it can know of', async () => {
    await using manager = await new ManagerSide().start();
    const signal = AbortSignal.abort();
    await expect(connect({ service: 'x', runDir: manager.runDir, signal })).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect(manager.closed).toHaveLength(1);
    await expect(connect({ ...key, runDir: manager.runDir, signal })).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect(manager.closed).toHaveLength(1);
  });

  it('tells its own changes and keeps its details current', async () => {
    await using manager = await new ManagerSide().start();
    const connection = await connect({ ...key, runDir: manager.runDir });
    const events = connection.events()[Symbol.asyncIterator]();
    expect(await next(events)).toMatchObject({ kind: 'up', details: { address: '10.60.1.1/31' } });
    await manager.nextWatch();
    manager.tell({ kind: CLOSED, requestId: 'somebody-else', service: key.service });
    manager.tell({ kind: HEALING, ...key, detail: 'the endpoint died' });
    manager.tell({ kind: HEALING, ...key, detail: 'the endpoint died' });
    manager.tell({ kind: UP, ...key, address: '10.60.2.1/31' });
    manager.tell({ kind: CLOSED, ...key, detail: 'closed by an operator' });
    expect(await next(events)).toMatchObject({ kind: 'healing', reason: 'the endpoint died' });
    expect(await next(events)).toMatchObject({ kind: 'up', details: { address: '10.60.2.1/31' } });
    expect(await next(events)).toMatchObject({ kind: 'closed', reason: 'closed by an operator' });
    expect(await next(events)).toBeUndefined();
    expect(connection.address).toBe('10.60.2.1/31');
    await connection.close();
    expect(manager.closed).toEqual([]);
  });

  it('survives a restart of the manager, also of one that lost its memory', async () => {
    await using manager = await new ManagerSide().start();
    await using connection = await connect({ ...key, runDir: manager.runDir });
    const events = connection.events()[Symbol.asyncIterator]();
    await next(events);
    await manager.nextWatch();
    await manager.stop();
    await manager.start();
    await manager.nextWatch();
    expect(manager.requests).toHaveLength(1);
    await manager.stop();
    manager.connections.clear();
    manager.nextId = 'node-a:2';
    await manager.start();
    expect(await next(events)).toMatchObject({
      kind: 'up',
      reason: expect.stringContaining('restarted'),
      details: { id: 'node-a:2' },
    });
    expect(manager.requests).toHaveLength(2);
  });

  it('ends the events of a connection that is closed here', async () => {
    await using manager = await new ManagerSide().start();
    const connection = await connect({ ...key, runDir: manager.runDir, lifetime: 'namespace' });
    const events = connection.events();
    await connection.close();
    const kinds: string[] = [];
    for await (const event of events) kinds.push(event.kind);
    expect(kinds).toEqual(['up', 'closed']);
  });

  it('shares one watch among its connections, each hearing of itself', async () => {
    await using manager = await new ManagerSide().start();
    const connections = await Promise.all(
      ['a', 'b', 'b'].map((requestId) => connect({ ...key, requestId, runDir: manager.runDir })),
    );
    await manager.nextWatch();
    expect(manager.watches).toBe(1);
    manager.tell({ kind: CLOSED, requestId: 'b', service: key.service });
    for await (const { kind } of connections[2]!.events()) if (kind === 'closed') break;
    expect(connections.map(({ state }) => state)).toEqual(['up', 'closed', 'closed']);
    await Promise.all(connections.map((connection) => connection.close()));
    expect(manager.closed).toEqual(['a']);
    await using _again = await connect({ ...key, runDir: manager.runDir });
    await manager.nextWatch();
    expect(manager.watches).toBe(2);
  });

  it('closes by key', async () => {
    await using manager = await new ManagerSide().start();
    await disconnect({ ...key, runDir: manager.runDir });
    expect(manager.closed).toEqual(['pod-1']);
  });
});

function pick(connection: Awaited<ReturnType<typeof connect>>) {
  const {
    id,
    interface: type,
    interfaceName,
    address,
    addresses,
    peerAddresses,
    routes,
    dns,
    mtu,
    state,
  } = connection;
  return {
    id,
    interface: type,
    interfaceName,
    address,
    addresses,
    peerAddresses,
    routes,
    dns,
    mtu,
    state,
  };
}
