// Clients of a registry that is slow, silent, or floods them.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import {
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  Server,
  registry as wire,
} from '@nsm/api';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { contents, endpoint, nodeA, record, until } from '../compliance/compliance-harness.js';
import { RegistryFixture } from '../compliance/registry-fixture.js';
import { RemoteRegistry } from './remote-registry.js';

describe('RemoteRegistry', () => {
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  it('catches up after a flood that cut it off, without hearing anything twice', async () => {
    const fixture = new RegistryFixture({ maxBacklog: 1000 });
    ends.push(() => fixture.close());
    const embedded = await fixture.start();
    const remote = new RemoteRegistry(fixture.url);
    ends.push(() => remote.stop());
    await remote.start();
    const heard = record(remote);
    const names = Array.from({ length: 2000 }, (_, n) => `fw-${n}`);
    await Promise.all(names.map((name) => embedded.registerEndpoint(endpoint(name))));
    await until(remote, () => remote.endpointsOf('firewall').length === 2000);
    expect(heard).toHaveLength(2001);
    expect(contents(remote)).toEqual(contents(embedded));
  });

  it('writes thousands of endpoints in a few calls, of which each may be refused by itself', async () => {
    const fixture = new RegistryFixture();
    ends.push(() => fixture.close());
    const embedded = await fixture.start();
    const remote = new RemoteRegistry(fixture.url);
    ends.push(() => remote.stop());
    await remote.start();
    // The registry looks again at what a client has looked at: a record that is too large only with its neighbours is not.
    const large = (name: string) => ({ ...endpoint(name), prefixes: Array<string>(2000).fill('fd00::/48') });
    const records = Array.from({ length: 1000 }, (_, n) =>
      n % 100 === 0 ? large(`fw-${n}`) : endpoint(`fw-${n}`),
    );
    await Promise.all(records.map((one) => remote.registerEndpoint(one)));
    expect(embedded.endpointsOf('firewall')).toHaveLength(1000);
    await until(remote, () => remote.endpointsOf('firewall').length === 1000);
    expect(contents(remote)).toEqual(contents(embedded));
    await Promise.all(records.map((one) => remote.removeEndpoint(one)));
    expect(embedded.endpointsOf('firewall')).toEqual([]);
  });

  it('does not use what an earlier registry took from strangers', async () => {
    const put = (value: NetworkServiceEndpoint) => ({ case: 'endpointPut', value }) as const;
    const events = [
      put(create(NetworkServiceEndpointSchema, endpoint('fw'))),
      put(create(NetworkServiceEndpointSchema, endpoint('$(id)'))),
      put(create(NetworkServiceEndpointSchema, endpoint('fw', { networkServiceName: '\x1b[2J' }))),
      { case: 'managerPut', value: create(wire.ManagerSchema, { ...nodeA, name: 'a\nb' }) } as const,
      { case: 'synced', value: true } as const,
    ];
    const fixture = new RegistryFixture();
    ends.push(() => fixture.close());
    const { service } = await fixture.start();
    const server = new Server().add(wire.Registry, {
      ...service,
      watch: async function* (_, { signal }) {
        for (const event of events) yield create(wire.RegistryEventSchema, { event });
        await once(signal, 'abort');
      },
    });
    ends.push(() => server.stop());
    const remote = new RemoteRegistry(`nsm://127.0.0.1:${await server.listenTcp('127.0.0.1:0')}`);
    ends.push(() => remote.stop());
    await remote.start();
    await until(remote, () => remote.synced);
    expect(contents(remote)).toHaveLength(1);
    expect(remote.endpointsOf('firewall')).toMatchObject([{ nseProviderName: 'fw' }]);
  });

  it('notices that the registry has gone, and that it is back', async () => {
    const fixture = new RegistryFixture();
    ends.push(() => fixture.close());
    await fixture.start();
    const remote = new RemoteRegistry(fixture.url);
    ends.push(() => remote.stop());
    await remote.start();
    for (let round = 0; round < 3; round++) {
      await fixture.stop();
      await vi.waitFor(() => expect(remote.synced).toBe(false), { timeout: 10_000, interval: 5 });
      await fixture.start();
      await vi.waitFor(() => expect(remote.synced).toBe(true), { timeout: 10_000, interval: 5 });
    }
  });

  it('neither waits for a registry that says nothing, nor lets it hold up a stop', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined).resume();
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    ends.push(async () => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as { readonly port: number };
    const remote = new RemoteRegistry(`nsm://127.0.0.1:${port}`, { writePatienceMs: 300 });
    await remote.start();
    expect(remote.synced).toBe(false);
    const writes = await Promise.allSettled([
      remote.registerManager(nodeA, 3000),
      ...Array.from({ length: 5 }, () => remote.claim('addresses', 'node-a')),
    ]);
    for (const write of writes)
      expect(write).toMatchObject({ status: 'rejected', reason: { kind: 'registry' } });
    await remote.stop();
  });
});
