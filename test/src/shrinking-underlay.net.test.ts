// An underlay that shrinks under connections: each is made anew, as large as fits now, and keeps its addresses.
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from './mesh.js';
import { type Connected, nsmJson } from './nsm-command.js';
import { bare } from './pod-network.js';

describe.skipIf(!requireRoot('underlay'))('an underlay that shrinks', () => {
  let mesh: Mesh;
  let client: Pod;

  beforeAll(async () => {
    mesh = await Mesh.start({ flags: ['--prefix', '10.60.0.0/16', '--tunnel', 'GRE'] });
    client = mesh.pod('client');
    const far = mesh.pod('far');
    await mesh.endpoint(mesh.b, { pod: far, name: 'far', services: ['far'] });
    await mesh.a.knows('far/far');
  });
  afterAll(async () => await mesh?.stop());

  it('leaves connections their addresses and names', async () => {
    const asked = await Promise.all(
      Array.from({ length: 6 }, (_, n) =>
        nsmJson<Connected>(
          ...['connect', 'far', '--request-id', `${n}`, '--netns', client.name, '--run-dir', mesh.a.runDir],
        ),
      ),
    );
    const summary = (parameters: { interfaceName: string; addresses: readonly string[] }): string =>
      `${parameters.interfaceName} ${parameters.addresses.join(' ')}`;
    await mesh.setUnderlay('mtu', '1400');
    const healed = await waitFor(
      async () => {
        const all = await mesh.a.connections();
        const fits = all.every(
          ({ state, connectionParameters }) => state === 'UP' && connectionParameters?.mtu === 1358,
        );
        return fits && all.length === asked.length ? all : undefined;
      },
      { what: 'all connections being as small as the underlay', timeout: 10_000 },
    );
    expect(healed.map(({ connectionParameters }) => summary(connectionParameters!)).toSorted()).toEqual(
      asked.map(summary).toSorted(),
    );
    for (const { peerAddresses } of asked)
      expect(await ping(client.name, bare(peerAddresses[0]!), { size: 1358 - 28, df: true })).toMatchObject({
        received: 1,
      });
  });

  it('leaves nothing behind', async () => {
    for (const node of mesh.nodes) await node.closeAll();
    expect(await mesh.finish()).toEqual([]);
  });
});
