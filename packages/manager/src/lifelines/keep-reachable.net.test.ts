// A manager that joins where a connection of a node itself leads already: the mesh reaches it past that connection.
import { leaks, ping, requireRoot, tried, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { kernel, TestMesh } from '../manager.test.mesh.js';
import { joinByLink, routed } from '../manager.test.underlay.js';

describe.skipIf(!requireRoot('reachable managers'))(
  'a node with routes of its own',
  { timeout: 60_000 },
  () => {
    afterAll(() => expect(leaks()).toEqual([]));

    const versions = [
      {
        version: 4,
        cover: '10.50.0.0/16',
        at: '10.50.0.1',
        router: '10.50.0.254',
        length: 24,
        via: '10.9.2.254',
      },
      { version: 6, cover: 'fd50::/32', at: 'fd50::1', router: 'fd50::fe', length: 64, via: 'fd00:9:2::254' },
    ] as const;
    it.each(tried(versions, ({ version }) => version === 6))(
      'reaches a manager that joins behind one, IPv$version',
      async (given) => {
        const { version, cover, at, router, length, via } = given;
        await using mesh = await TestMesh.start(['node-c', 'client', 'gateway', 'endpoint'], routed(version));
        await mesh.serve(0, 'gateway', 'gateway', { clientParameters: { route: [cover] } });
        // The registry is node-a's, which must reach who joins.
        const node = mesh.pod('node-b');
        const ask = (requestId: string, networkServiceName: string, linuxNamespace: string) =>
          mesh.client(1).requestConnection({
            requestId,
            networkServiceName,
            linuxNamespace,
            interface: [kernel],
          });
        expect((await ask('node-1', 'gateway', node.name)).admissionError).toBe('');
        const leaves = (address: string) => node.route.link(node.route.routeTo(address).device)?.name;
        expect(leaves(at)).toBe('nsm0');
        joinByLink(
          [mesh.pod('node-c'), `${at}/${length}`],
          [mesh.pod('router'), `${router}/${length}`],
          1500,
          'to-c',
        );
        mesh.pod('node-c').route.addRoute({ destination: 'default', gateway: router });
        await mesh.join('node-c', at);
        await waitFor(() => node.route.routeTo(at).gateway === via, {
          what: 'a way past the connection',
          timeout: 15_000,
        });
        expect(await ping(node.name, at)).toMatchObject({ received: 1 });
        // What lies beside it stays the connection's.
        expect(leaves(at.replace(/1$/, '7'))).toBe('nsm0');
        const host = `${at}/${version === 4 ? 32 : 128}`;
        const hosts = () => node.route.routes().filter(({ destination }) => destination === host);
        expect(hosts()).toMatchObject([{ protocol: 78, gateway: via }]);
        // Managers talk to each other, and tunnels carry packets.
        await mesh.serve(2, 'ping', 'endpoint');
        const reply = await waitFor(
          async () => {
            const asked = await ask('pod-1', 'ping', mesh.pod('client').name);
            return asked.accepted ? asked : undefined;
          },
          { what: 'a connection to the new node', timeout: 15_000 },
        );
        const [peer = ''] = reply.connectionParameters?.peerAddresses ?? [];
        expect(await ping(mesh.pod('client').name, peer)).toMatchObject({ received: 1 });
        await mesh.client(1).closeConnection({ requestId: 'node-1', networkServiceName: 'gateway' });
        await waitFor(() => hosts().length === 0, { what: 'the host route is gone with its cause' });
      },
    );
  },
);
