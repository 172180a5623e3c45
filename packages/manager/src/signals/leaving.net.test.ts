// An endpoint that leaves and a node that is drained: connections move while packets flow, or stay where they are.
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh, type TestMesh } from '../manager.test.mesh.js';

describe.skipIf(!requireRoot('leaving'))('leaving', () => {
  const shared = sharedMesh(['client', 'first', 'second', 'far', 'near']);

  const request = (mesh: TestMesh, requestId = 'pod-1') =>
    mesh.client(0).requestConnection({
      requestId,
      networkServiceName: 'ping',
      linuxNamespace: mesh.pod('client').name,
      interface: [kernel],
    });
  const close = async (mesh: TestMesh): Promise<void> => {
    await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
    await waitFor(async () => (await mesh.remains()).length === 0);
  };
  const states = async (mesh: TestMesh): Promise<string[]> =>
    (await mesh.operator(0).listConnections({})).connections.map(
      ({ state, nseProviderName }) => `${state} ${nseProviderName}`,
    );

  const cases: [string, 0 | 1, 0 | 1][] = [
    ['on the same node', 0, 0],
    ['from this node to another', 0, 1],
    ['from another node to this', 1, 0],
    ['from another node to itself', 1, 1],
  ];
  it.each(cases)('an endpoint costs no packet: clients move %s', async (_, before, after) => {
    const { mesh } = shared;
    const { name } = mesh.pod('client');
    await mesh.serve(before, 'ping', 'first');
    const { connectionParameters } = await request(mesh);
    const { address, peerAddresses, interfaceName, connectionId } = connectionParameters!;
    await mesh.serve(after, 'ping', 'second');
    await waitFor(async () => (await mesh.operator(0).listEndpoints({})).endpoints.length === 2);

    const pinging = ping(name, peerAddresses[0]!, { count: 60, interval: 0.01 });
    await mesh.withdraw(before, 'ping', 'first');
    const { connections } = await mesh.operator(0).listConnections({});
    expect(connections).toMatchObject([
      { state: 'UP', nseProviderName: 'second', connectionParameters: { address, interfaceName } },
    ]);
    expect(connections[0]!.id).not.toBe(connectionId);
    expect(await pinging).toMatchObject({ sent: 60, received: 60 });
    expect(mesh.closed).toEqual(['pod-1']);
    await mesh.killEndpoint('first');
    expect(await ping(name, peerAddresses[0]!)).toMatchObject({ received: 1 });
    // The same request is the same connection still.
    expect((await request(mesh)).connectionParameters!.connectionId).toBe(connections[0]!.id);
    await close(mesh);
  });

  it('an endpoint that nobody can stand in for ends all the same', async () => {
    const { mesh } = shared;
    await mesh.serve(1, 'ping', 'first');
    await request(mesh);
    await mesh.withdraw(1, 'ping', 'first');
    await waitFor(async () => /^(HEALING|FAILED)/.test((await states(mesh))[0] ?? ''));
    await close(mesh);
  });

  it('a drained node keeps what nobody else can take, gives away the rest, and gets nothing new', async () => {
    const { mesh } = shared;
    await mesh.serve(1, 'ping', 'far');
    const { connectionParameters } = await request(mesh);
    const { peerAddresses } = connectionParameters!;
    const [half] = (await mesh.operator(1).listConnections({})).connections;
    expect(await mesh.operator(1).drain({})).toMatchObject({ accepted: true, moved: 0, staying: [half!.id] });
    expect(await states(mesh)).toEqual(['UP far']);
    await waitFor(async () =>
      (await mesh.operator(0).listManagers({})).managers.some(({ drained }) => drained),
    );
    expect(await request(mesh, 'pod-2')).toMatchObject({
      accepted: false,
      admissionError: expect.stringContaining('manager "node-b" is drained'),
    });

    await mesh.serve(0, 'ping', 'near');
    const pinging = ping(mesh.pod('client').name, peerAddresses[0]!, { count: 60, interval: 0.01 });
    expect(await mesh.operator(1).drain({})).toMatchObject({ moved: 1, staying: [] });
    expect(await states(mesh)).toEqual(['UP near']);
    expect(await pinging).toMatchObject({ sent: 60, received: 60 });
    await mesh.operator(1).drain({ undo: true });
    await waitFor(
      async () => !(await mesh.operator(0).listManagers({})).managers.some(({ drained }) => drained),
    );
    expect(await mesh.operator(0).drain({})).toMatchObject({ moved: 1, staying: [] });
    expect(await states(mesh)).toEqual(['UP far']);
    await close(mesh);
  });
});
