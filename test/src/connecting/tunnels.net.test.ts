// Connections over every kind of tunnel, agreed on by two managers: MTU exact, packets, what operators see, a restart.
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { flow } from '../mesh/flow.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsmJson } from '../mesh/nsm-command.js';
import { bare } from '../mesh/pod-network.js';
import { thorough } from '../reliability/config.js';

interface TunnelList {
  readonly capabilities: readonly {
    readonly type: string;
    readonly works: boolean;
    readonly missing: string;
  }[];
  readonly tunnels: readonly { readonly type: string; readonly identifier: number }[];
}

/**
 * Version of the underlay, MTU of a pod, and whether both managers restart meanwhile. Not thoroughly, one that does and one that does not;
 * types-matrix.net.test.ts has all kinds.
 */
const cases = (
  [
    ['GRE', 4, 1458, true],
    ['MPLSoUDP', 6, 1434, false],
    ['MPLSoEthernet', 4, 1482, true],
  ] as const
).filter((_, n) => thorough || n < 2);

describe.skipIf(!requireRoot('tunnels'))('tunnels', () => {
  describe.each(cases)('%s over IPv%i', (type, underlay, mtu, restarts) => {
    let mesh: Mesh;
    let client: Pod;
    let endpoint: Pod;
    let missing: string | undefined;

    beforeAll(async () => {
      // Another kind first, which the other manager does not want.
      const other = type === 'GRE' ? 'MPLSoGRE' : 'GRE';
      mesh = await Mesh.start({
        underlay,
        flags: ['--prefix', '10.60.0.0/16', '--prefix', 'fd00:60::/48'],
        // The other manager wants that kind for this service, and something else for all others.
        flagsOf: ({ dir }) => [
          '--tunnel',
          dir.endsWith('node-a') ? `${other},${type}` : `MPLSoGRE,secure=${type.toLowerCase()}`,
        ],
      });
      client = mesh.pod('client');
      endpoint = mesh.pod('endpoint');
      await mesh.endpoint(mesh.b, { pod: endpoint, name: 'firewall', services: ['secure'] });
      await mesh.a.knows('secure/firewall');
      const { capabilities } = await nsmJson<TunnelList>('get', 'tunnels', '--run-dir', mesh.a.runDir);
      const engines = capabilities.filter((capability) => capability.type === type);
      missing = engines.some(({ works }) => works) ? undefined : (engines[0]?.missing ?? 'unknown here');
    });
    afterAll(async () => await mesh?.stop());

    const restartUnderway = async ({ peerAddresses }: Connected): Promise<void> => {
      await using pings = await flow(client, bare(peerAddresses[0]!));
      for (const node of mesh.nodes) await node.restart('SIGTERM');
      const { sent, received } = await pings.end();
      expect(sent).toBeGreaterThan(20);
      expect(received).toBe(sent);
    };

    it('connects, carries packets, survives restarts, and leaves nothing', async ({ skip }) => {
      if (missing !== undefined) skip(missing);
      const connected = await nsmJson<Connected>(
        'connect',
        'secure',
        ...['--request-id', 'one', '--netns', client.name, '--run-dir', mesh.a.runDir],
      );
      expect(connected).toMatchObject({ interfaceName: 'nsm0', mtu });
      await expectTraffic(client, endpoint, connected);
      for (const node of [mesh.a, mesh.b])
        expect(await nsmJson<TunnelList>('get', 'tunnels', '--run-dir', node.runDir)).toMatchObject({
          tunnels: [{ type, mtu }],
        });

      if (restarts) await restartUnderway(connected);

      await (await mesh.agent(client)).close(mesh.a.runDir, 'one', 'secure');
      expect(await mesh.sweep()).toEqual([]);
    });
  });
});
