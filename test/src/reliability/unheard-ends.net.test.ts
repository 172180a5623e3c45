// Pods that end while nobody listens: the forwarder, which would tell, is away, or all of the node.
import { leaks, ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { thorough } from './config.js';
import { columns, destination, Stage } from './stage.js';

describe.skipIf(!requireRoot('ends that nobody heard of'))('a pod that ends unheard', () => {
  afterAll(() => expect(leaks()).toEqual([]));

  const shown = columns.filter(({ tunnel }) => tunnel !== 'vxlan');
  it.each(shown)('is missed when the forwarder is back: $name', async (column) => {
    await using stage = await Stage.start(column);
    const { id, client, serving } = await stage.connect();
    await stage.local.endForwarder('SIGKILL');
    stage.mesh.removePod(client);
    await stage.local.startForwarder();
    for (const node of new Set([stage.local, serving.node]))
      await waitFor(async () => (await node.connections()).length === 0, { what: `the end of ${id}` });
  });

  it('goes with its node, and the other half when that is back', async ({ skip }) => {
    if (!thorough) skip('only silence tells of it: `npm run reliability -- unheard-ends` has the time');
    await using stage = await Stage.start({ name: 'remote', tunnel: 'gre' });
    const { client, serving } = await stage.connect();
    await stage.mesh.reboot(stage.local, [client]);
    await stage.local.start();
    const { node } = serving;
    await waitFor(async () => (await node.connections()).length === 0, { timeout: 60_000 });
    await stage.local.knows('ping/endpoint-1');
    const again = await stage.connect();
    expect(await ping(again.client.name, destination)).toMatchObject({ received: 1 });
  }, 120_000);
});
