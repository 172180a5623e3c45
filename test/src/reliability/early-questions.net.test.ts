// Managers that start: what others ask them before they are ready.
import { leaks, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { thorough } from './config.js';
import { Pinger } from './pinger.js';
import { columns, destination, Stage } from './stage.js';

describe.skipIf(!requireRoot('early questions'))('a manager that starts', { timeout: 60_000 }, () => {
  afterAll(() => expect(leaks()).toEqual([]));

  const remote = columns.filter(({ tunnel }) => tunnel);
  const sides = ["endpoint's", "client's"] as const;
  // Not thoroughly: each tunnel with one of the two.
  const cases = remote.flatMap(({ name, tunnel = 'gre' }, n) =>
    sides.filter((_, side) => thorough || side === n).map((killed) => ({ name, tunnel, killed })),
  );
  it.each(cases)(
    'does not say that it has nothing while it waits for its registry: $name, the $killed',
    async (given) => {
      const { name, tunnel, killed } = given;
      await using stage = await Stage.start({ name, tunnel });
      const { id, client, serving } = await stage.connect();
      const node = killed === "client's" ? stage.local : serving.node;
      const other = killed === "client's" ? serving.node : stage.local;
      const before = (await other.connections()).map((each) => each.id);
      await using pinger = await Pinger.start(client.name, destination);
      await pinger.flowing(0, 5000);
      const registry = stage.mesh.registry!;
      await node.end('SIGKILL');
      process.kill(registry.pid, 'SIGSTOP');
      try {
        // It waits for the registry for a second; the other asks twice a second.
        await node.start();
      } finally {
        process.kill(registry.pid, 'SIGCONT');
      }
      await pinger.flowing(Date.now(), 5000);
      expect(pinger.outage(0)).toMatchObject({ lost: 0 });
      const kept = (await stage.local.connections()).find((each) => each.id === id);
      expect(kept?.history.map(({ state }) => state)).not.toContain('HEALING');
      await waitFor(async () => (await other.connections()).map((each) => each.id).join() === before.join());
    },
  );
});
