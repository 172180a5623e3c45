// What someone takes from a connection's interface by hand comes back without anyone asking, on either side of it.
import { firstAnswer, ping, requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh } from '../manager.test.mesh.js';

describe.skipIf(!requireRoot('mending'))('a connection that someone meddles with', () => {
  const shared = sharedMesh(['client', 'endpoint']);

  it.each([
    ['on one node', 0],
    ['between two nodes', 1],
  ] as const)('is as it was: %s', async (_, node) => {
    const { mesh } = shared;
    await mesh.serve(node, 'ping', 'endpoint');
    const [client, endpoint] = [mesh.pod('client'), mesh.pod('endpoint')];
    const request = {
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: client.name,
      interface: [kernel],
    };
    const { connectionParameters } = await mesh.client(0).requestConnection(request);
    const { address, peerAddresses, interfaceName } = connectionParameters!;
    const [peer = ''] = peerAddresses;
    const other = endpoint.route.links().find(({ name }) => name.startsWith('nse'))!.name;
    const index = (): number => client.route.link(interfaceName)?.index ?? 0;

    const meddlings: [string, () => unknown][] = [
      ["sets the client's interface down", () => client.route.setLink(index(), { up: false })],
      ["sets the endpoint's interface down", () => endpoint.route.setLink(other, { up: false })],
      ['takes the address', () => client.route.deleteAddress(index(), { address })],
      ["deletes the client's interface", () => client.route.deleteLink(index())],
      ["deletes the endpoint's interface", () => endpoint.route.deleteLink(other)],
    ];
    for (const [what, meddle] of meddlings) {
      meddle();
      await firstAnswer(client.name, peer, { what });
      expect(client.route.link(interfaceName), what).toMatchObject({ up: true });
    }
    const { connections } = await mesh.operator(0).listConnections({});
    expect(connections).toMatchObject([{ state: 'UP', connectionParameters: { address, interfaceName } }]);
    await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
    await waitFor(async () => (await mesh.remains()).length === 0);
  });

  it.each(['node-a', 'node-b'])(
    'gets the MTU that fits when the underlay of %s shrinks',
    async (shrinking) => {
      const { mesh } = shared;
      await mesh.serve(1, 'ping', 'endpoint');
      const client = mesh.pod('client');
      const { connectionParameters } = await mesh.client(0).requestConnection({
        requestId: 'pod-1',
        networkServiceName: 'ping',
        linuxNamespace: client.name,
        interface: [kernel],
      });
      const { address, interfaceName, peerAddresses, mtu } = connectionParameters!;
      const { route } = mesh.pod(shrinking);
      route.setLink(route.link('under')!.index, { mtu: 1400 });
      await waitFor(() => client.route.link(interfaceName)?.mtu === mtu - 100);
      await waitFor(async () => {
        const { connections } = await mesh.operator(0).listConnections({});
        return connections.every(({ state }) => state === 'UP');
      });
      expect(client.route.addresses().map((each) => each.address)).toContain(address);
      expect(await ping(client.name, peerAddresses[0]!)).toMatchObject({ received: 1 });
      await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'ping' });
      await waitFor(async () => (await mesh.remains()).length === 0);
      route.setLink('under', { mtu: 1500 });
    },
  );

  it('is verified when its client asks for it again', async () => {
    const { mesh } = shared;
    await mesh.serve(0, 'ping', 'endpoint');
    const client = mesh.pod('client');
    const request = {
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: client.name,
      interface: [kernel],
    };
    const before = await mesh.client(0).requestConnection(request);
    const { interfaceName, peerAddresses, mtu } = before.connectionParameters!;
    // Nobody is told of that.
    client.route.setLink(interfaceName, { mtu: mtu - 100 });
    expect(await mesh.client(0).requestConnection(request)).toEqual(before);
    expect(client.route.link(interfaceName)).toMatchObject({ mtu });
    expect(await ping(client.name, peerAddresses[0]!)).toMatchObject({ received: 1 });
  });
});
