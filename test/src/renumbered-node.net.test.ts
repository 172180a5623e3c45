// A node whose underlay address changes: connections whose tunnels began at the old one are made anew over the other.
import { leaks, ping, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { hereAndThere } from './here-and-there.js';
import { bare } from './pod-network.js';
import { underlayDevice } from './underlay.js';

describe.skipIf(!requireRoot('renumbered node'))(
  'a node that gets another address',
  { timeout: 60_000 },
  () => {
    afterAll(() => expect(leaks()).toEqual([]));

    const moveAddress = async (namespace: string, from: string, to: string): Promise<void> => {
      const ip = (...words: string[]): Promise<string> => run(undefined, 'ip', ['-n', namespace, ...words]);
      // The kernel takes other addresses of a network along with its first.
      await ip('address', 'delete', `${from}/24`, 'dev', underlayDevice);
      await ip('address', 'add', `${to}/24`, 'dev', underlayDevice);
    };

    it.each(['vxlan', 'gre'])('while its manager was away: %s', async (tunnel) => {
      const { mesh, client, connect } = await hereAndThere((place) => [place], {
        flags: ['--tunnel', tunnel],
      });
      try {
        const both = await Promise.all(['pod-1', 'pod-2'].map((id) => connect('there', id)));
        const { b } = mesh;
        // It tells the registry, which would else keep its name for it for a while.
        await b.end('SIGTERM');
        await moveAddress(b.namespace.name, b.address, '10.9.0.22');
        await b.start('10.9.0.22:5001');
        for (const { peerAddresses } of both)
          await waitFor(
            async () =>
              (await ping(client.name, bare(peerAddresses[0] ?? ''), { deadline: 1 })).received === 1,
            { what: `packets come back from ${peerAddresses[0]}`, timeout: 20_000 },
          );
        for (const node of mesh.nodes)
          await waitFor(async () => (await node.connections()).map(({ state }) => state).join() === 'UP,UP');
        // An address may be away for a moment: what goes on as if it were there is given up a second later.
        await waitFor(
          async () =>
            (await mesh.a.connections())
              .map(({ state, crossConnect }) => `${state} ${crossConnect?.tunnel?.remote}`)
              .join() === 'UP 10.9.0.22,UP 10.9.0.22',
          { what: 'both tunnels end at the other address', timeout: 10_000 },
        );
        expect(await ping(client.name, bare(both[0]?.peerAddresses[0] ?? ''))).toMatchObject({ received: 1 });
      } finally {
        await mesh.stop();
      }
    });

    it('while its manager runs, which goes on where it is found', async () => {
      const { mesh, client, connect } = await hereAndThere((place) => [place]);
      try {
        const { peerAddresses } = await connect('there', 'pod-1');
        // Of the client's own node: its manager is the registry, and is not called under this address by anyone but b.
        const { a } = mesh;
        await moveAddress(a.namespace.name, a.address, '10.9.0.11');
        await waitFor(
          async () => {
            const [own] = await a.connections();
            return own?.state === 'UP' && own.crossConnect?.tunnel?.local === '10.9.0.11';
          },
          { what: 'its tunnel begins at the other address', timeout: 20_000 },
        );
        expect(await ping(client.name, bare(peerAddresses[0] ?? ''))).toMatchObject({ received: 1 });
      } finally {
        await mesh.stop();
      }
    });
  },
);
