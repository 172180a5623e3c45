// A client whose endpoint is lost gets another without asking: same id, same interface name, same address.
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh } from '../manager.test.mesh.js';

describe.skipIf(!requireRoot('healing'))('a connection whose endpoint is lost', () => {
  const shared = sharedMesh(['client', 'first', 'second', 'other']);

  const cases: [string, 0 | 1, 0 | 1][] = [
    ['on the same node', 0, 0],
    ['from this node to another', 0, 1],
    ['from another node to this', 1, 0],
    ['from another node to itself', 1, 1],
  ];
  it.each(cases)('moves %s', async (_, before, after) => {
    const { mesh } = shared;
    await mesh.serve(before, 'ping', 'first');
    const { name } = mesh.pod('client');
    const { accepted, admissionError, connectionParameters } = await mesh.client(0).requestConnection({
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: name,
      interface: [kernel],
    });
    expect({ accepted, admissionError }).toEqual({ accepted: true, admissionError: '' });
    const { address, peerAddresses, interfaceName, connectionId } = connectionParameters!;

    await mesh.serve(after, 'ping', 'second');
    await mesh.killEndpoint('first');
    const healed = await waitFor(async () => {
      const { connections } = await mesh.operator(0).listConnections({});
      return connections.find(({ state, nseProviderName }) => state === 'UP' && nseProviderName === 'second');
    });
    expect(healed).toMatchObject({ id: connectionId, connectionParameters: { address, interfaceName } });
    expect(await ping(name, peerAddresses[0]!)).toMatchObject({ received: 1 });
    await waitFor(
      async () => (await mesh.remains()).filter((entry) => String(entry).startsWith('nse')).length === 1,
    );
    await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
    expect(await mesh.remains()).toEqual([]);
  });

  it('waits for an endpoint to come', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'ping', 'first');
    await mesh.serve(0, 'other', 'other');
    const { name } = mesh.pod('client');
    const request = (networkServiceName: string) =>
      mesh.client(0).requestConnection({
        requestId: 'pod-1',
        networkServiceName,
        linuxNamespace: name,
        interface: [kernel],
      });
    expect((await request('ping')).connectionParameters?.interfaceName).toBe('nsm0');
    await mesh.killEndpoint('first');
    const ours = async () =>
      (await mesh.operator(0).listConnections({})).connections.find(
        ({ networkServiceName }) => networkServiceName === 'ping',
      );
    // It is tried again all the same, but operators hear that it does not succeed.
    await waitFor(async () => {
      const connection = await ours();
      return connection?.state === 'FAILED' && connection.detail.includes('no endpoint provides');
    });
    // Its name is kept for it.
    expect((await request('other')).connectionParameters?.interfaceName).toBe('nsm1');
    await mesh.serve(1, 'ping', 'second');
    const healed = await waitFor(async () => {
      const connection = await ours();
      return connection?.state === 'UP' ? connection : undefined;
    });
    expect(healed).toMatchObject({ connectionParameters: { interfaceName: 'nsm0' } });
    const phases = healed!.history.map(({ state }) => state);
    expect(phases.filter((state, index) => state !== phases[index - 1])).toEqual([
      ...['CONNECTING', 'UP', 'HEALING', 'FAILED'],
      ...['CONNECTING', 'UP'],
    ]);
    for (const networkServiceName of ['ping', 'other'])
      await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName });
    expect(await mesh.remains()).toEqual([]);
  });

  it('ends when its client closes it while it heals', async () => {
    const { mesh } = shared;
    await mesh.serve(1, 'ping', 'first');
    const { name } = mesh.pod('client');
    await mesh.client(0).requestConnection({
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: name,
      interface: [kernel],
    });
    await mesh.killEndpoint('first');
    await waitFor(async () =>
      (await mesh.operator(0).listConnections({})).connections.some(({ state }) =>
        /HEALING|FAILED/.test(state),
      ),
    );
    await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
    expect(await mesh.remains()).toEqual([]);
  });
});
