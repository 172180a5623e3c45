// Thousands: routes of one connection, services of one endpoint, prefixes that a pod routes.
import { ping, requireRoot, run, thorough, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh, type TestMesh } from '../manager.test.mesh.js';

/** How many services. */
const serviceCount = thorough ? 5000 : 2000;

/** Half of IPv4, half of IPv6. */
function routes(howMany: number): string[] {
  return Array.from({ length: howMany }, (_, n) =>
    n % 2 === 0 ? `198.18.${n >> 8}.${n & 255}/32` : `fd18:${n.toString(16)}::/64`,
  );
}

/** How many network services a node knows. */
async function known(mesh: TestMesh, node: 0 | 1): Promise<number> {
  return (await mesh.operator(node).listServices({})).services.length;
}

// A busy machine takes its time for thousands.
describe.skipIf(!requireRoot('thousands'))('thousands', { timeout: 120_000 }, () => {
  const shared = sharedMesh(['client', 'endpoint']);

  it.each([
    ['on one node', 0, thorough ? 10_000 : 2000],
    ['over a tunnel', 1, thorough ? 10_000 : 5000],
  ] as const)(
    'of routes are in the pod, and come back when somebody takes them: %s',
    async (_, where, count) => {
      const { mesh } = shared;
      await mesh.serve(where, 'vpn', 'endpoint', { clientParameters: { route: routes(count) } });
      const client = mesh.pod('client');
      const request = {
        requestId: 'pod-1',
        networkServiceName: 'vpn',
        linuxNamespace: client.name,
        interface: [kernel],
      };
      const reply = await mesh.client(0).requestConnection(request);
      expect(reply.admissionError).toBe('');
      const { route, interfaceName, peerAddresses } = reply.connectionParameters!;
      expect(route).toHaveLength(count);
      const present = () => client.route.routes({ protocol: 78 }).length;
      expect(present()).toBe(count);
      expect(await ping(client.name, peerAddresses[0]!)).toMatchObject({ received: 1 });
      // One that only the route leads to; the endpoint has it on its loopback.
      mesh.pod('endpoint').route.addAddress(1, { address: '198.18.0.2/32' });
      expect(await ping(client.name, '198.18.0.2')).toMatchObject({ received: 1 });

      await run(client.name, 'ip', ['-4', 'route', 'flush', 'proto', '78']);
      await waitFor(() => present() === count, { what: 'all routes are back', timeout: 60_000 });
      expect(await mesh.client(0).requestConnection(request)).toEqual(reply);

      const { connections } = await mesh.operator(0).listConnections({});
      expect(connections).toMatchObject([{ state: 'UP', clientRoutes: count }]);
      expect(connections[0]!.connectionParameters!.route.length).toBeLessThan(100);
      await mesh.client(0).closeConnection({ requestId: 'pod-1', networkServiceName: 'vpn' });
      expect(client.route.link(interfaceName)).toBeUndefined();
      expect(present()).toBe(0);
    },
  );

  it('of routes too many are refused with the bound, and nothing is left', async () => {
    const { mesh } = shared;
    await mesh.serve(1, 'vpn', 'endpoint', { clientParameters: { route: routes(16_385) } });
    const { admissionError } = await mesh.client(0).requestConnection({
      requestId: 'pod-1',
      networkServiceName: 'vpn',
      linuxNamespace: mesh.pod('client').name,
      interface: [kernel],
    });
    expect(admissionError).toContain('route has 16385 entries; at most 16384 are accepted (NSM0204)');
    await waitFor(async () => (await mesh.remains()).length === 0);
  });

  it('of services are advertised in one message, known on both nodes, and gone with their endpoint', async () => {
    const { mesh } = shared;
    const services = Array.from({ length: serviceCount }, (_, n) => `service-${n}`);
    await mesh.serve(1, services, 'endpoint');
    for (const node of [1, 0] as const)
      await waitFor(async () => (await known(mesh, node)) === serviceCount, {
        what: 'both nodes know them',
        timeout: 60_000,
      });
    expect((await mesh.operator(0).listEndpoints({})).endpoints).toHaveLength(serviceCount);
    for (const networkServiceName of ['service-0', `service-${serviceCount - 1}`]) {
      const { admissionError } = await mesh.client(0).requestConnection({
        requestId: 'pod-1',
        networkServiceName,
        linuxNamespace: mesh.pod('client').name,
        interface: [kernel],
      });
      expect(admissionError).toBe('');
    }
    await mesh.killEndpoint('endpoint');
    await waitFor(async () => (await known(mesh, 0)) + (await known(mesh, 1)) === 0, {
      what: 'they are gone',
      timeout: 60_000,
    });
  });

  it('of prefixes that a pod routes do not keep it from a connection to another node', async () => {
    const { mesh } = shared;
    await mesh.serve(1, 'ping', 'endpoint');
    await waitFor(async () => (await known(mesh, 0)) === 1);
    const client = mesh.pod('client');
    const index = 1;
    client.route.batch(() => {
      for (let n = 0; n < 20_000; n++)
        client.route.addRoute({ destination: `172.16.${n >> 8}.${n & 255}/32`, device: index });
      // Within what is given out: these count.
      client.route.addRoute({ destination: '10.60.0.0/17', device: index });
    });
    const { admissionError, connectionParameters } = await mesh.client(0).requestConnection({
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: client.name,
      interface: [kernel],
    });
    expect(admissionError).toBe('');
    expect(Number(connectionParameters!.address.split('.')[2])).toBeGreaterThan(127);
    expect(await ping(client.name, connectionParameters!.peerAddresses[0]!)).toMatchObject({ received: 1 });
  });
});
