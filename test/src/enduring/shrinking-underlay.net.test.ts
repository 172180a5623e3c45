// An underlay that shrinks under connections: each is made anew, as large as fits now, and keeps its addresses.
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsmJson } from '../mesh/nsm-command.js';
import { bare } from '../mesh/pod-network.js';

/** Bytes of each kind of tunnel over IPv4. */
const overheads = {
  VXLAN: 50,
  GRE: 42,
  VXLAN_GRE: 50,
  MPLSoGRE: 42,
  MPLSoUDP: 46,
  MPLSoEthernet: 18,
} as const;
type Kind = keyof typeof overheads;

describe.skipIf(!requireRoot('underlay'))('an underlay that shrinks', () => {
  let mesh: Mesh;
  let client: Pod;

  beforeAll(async () => {
    mesh = await Mesh.start({
      flags: [
        '--tunnel',
        Object.keys(overheads)
          .map((kind) => `${kind}=${kind}`)
          .join(','),
      ],
    });
    client = mesh.pod('client');
    const far = mesh.pod('far');
    await mesh.endpoint(mesh.b, { pod: far, name: 'far', services: Object.keys(overheads) });
    await mesh.a.knows('GRE/far');
  });
  afterAll(async () => await mesh?.stop());

  it('leaves connections their addresses and names', async () => {
    const kinds = Object.keys(overheads) as Kind[];
    const asked = await Promise.all(
      kinds.map((kind) =>
        nsmJson<Connected>(
          ...['connect', kind, '--request-id', kind, '--netns', client.name, '--run-dir', mesh.a.runDir],
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
          ({ state, networkServiceName, connectionParameters }) =>
            state === 'UP' && connectionParameters?.mtu === 1400 - overheads[networkServiceName as Kind],
        );
        return fits && all.length === asked.length ? all : undefined;
      },
      { what: 'all connections being as small as the underlay', timeout: 10_000 },
    );
    expect(healed.map(({ connectionParameters }) => summary(connectionParameters!)).toSorted()).toEqual(
      asked.map(summary).toSorted(),
    );
    for (const [n, { peerAddresses }] of asked.entries())
      expect(
        await ping(client.name, bare(peerAddresses[0]!), {
          size: 1400 - 28 - overheads[kinds[n]!],
          df: true,
        }),
      ).toMatchObject({ received: 1 });
  });

  it('leaves nothing behind', async () => {
    for (const node of mesh.nodes) await node.closeAll();
    expect(await mesh.finish()).toEqual([]);
  });
});
