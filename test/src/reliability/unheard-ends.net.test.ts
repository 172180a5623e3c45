// Pods that end while nobody listens: the forwarder, which would tell, is away.
import { leaks, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { columns, Stage } from './stage.js';

describe.skipIf(!requireRoot('ends that nobody heard of'))(
  'a pod that ends while the forwarder is away',
  () => {
    afterAll(() => expect(leaks()).toEqual([]));

    it.each(columns.filter(({ tunnel }) => tunnel !== 'vxlan'))(
      'is missed when it is back: $name',
      async (column) => {
        await using stage = await Stage.start(column);
        const { id, client, serving } = await stage.connect();
        await stage.local.endForwarder('SIGKILL');
        stage.mesh.removePod(client);
        await stage.local.startForwarder();
        for (const node of new Set([stage.local, serving.node]))
          await waitFor(async () => (await node.connections()).length === 0, { what: `the end of ${id}` });
      },
    );
  },
);
