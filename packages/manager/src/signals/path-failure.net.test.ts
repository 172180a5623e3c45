// A node that falls silent: its clients go to another endpoint, or wait with what they have until packets come back.
import { firstAnswer, ping, requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh, type TestMesh } from '../manager.test.mesh.js';

describe.skipIf(!requireRoot('silent nodes'))('a node from which nothing comes back', () => {
  const shared = sharedMesh(['client', 'far', 'near']);

  const underlay = (mesh: TestMesh, up: boolean): void =>
    mesh.pod('node-a').route.setLink(mesh.pod('node-a').route.link('under')!.index, { up });
  const open = async (mesh: TestMesh) => {
    const { connectionParameters } = await mesh.client(0).requestConnection({
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: mesh.pod('client').name,
      interface: [kernel],
    });
    return connectionParameters!;
  };
  const state = async (mesh: TestMesh, node: 0 | 1 = 0): Promise<string> => {
    const { connections } = await mesh.operator(node).listConnections({});
    return connections.map((each) => `${each.state} ${each.nseProviderName}`).join();
  };

  it('loses its clients to an endpoint elsewhere, and its half of them later', async () => {
    const { mesh } = shared;
    await mesh.serve(1, 'ping', 'far');
    const { address, peerAddresses, interfaceName } = await open(mesh);
    await mesh.serve(0, 'ping', 'near');
    underlay(mesh, false);
    await waitFor(async () => (await state(mesh)) === 'UP near', { timeout: 15_000 });
    const { client } = { client: mesh.pod('client') };
    expect(await ping(client.name, peerAddresses[0]!)).toMatchObject({ received: 1 });
    expect(client.route.link(interfaceName)).toMatchObject({ up: true });
    expect(client.route.addresses().map((each) => each.address)).toContain(address);
    underlay(mesh, true);
    await waitFor(async () => (await state(mesh, 1)) === '', { timeout: 60_000 });
    await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
    await waitFor(async () => (await mesh.remains()).length === 0);
  }, 90_000);

  it('keeps its clients, whose interfaces stay, when nobody else can take them', async () => {
    const { mesh } = shared;
    await mesh.serve(1, 'ping', 'far');
    const { peerAddresses, interfaceName } = await open(mesh);
    const client = mesh.pod('client');
    const before = client.route.link(interfaceName)!.index;
    underlay(mesh, false);
    await waitFor(async () => /^(HEALING|FAILED) far/.test(await state(mesh)), { timeout: 15_000 });
    expect(client.route.link(interfaceName)?.index).toBe(before);
    underlay(mesh, true);
    await firstAnswer(client.name, peerAddresses[0]!);
    await waitFor(async () => (await state(mesh)) === 'UP far', { timeout: 15_000 });
    expect(client.route.link(interfaceName)?.index).toBe(before);
    await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
    await waitFor(async () => (await mesh.remains()).length === 0);
  }, 60_000);
});
