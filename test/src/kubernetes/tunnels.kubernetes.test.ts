// Every kind of tunnel between pods of two nodes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, attached, podOf } from './annotated.js';
import { managerNodes, system } from './installation.js';
import { endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const kinds = ['VXLAN', 'GRE', 'VXLAN_GRE', 'MPLSoGRE', 'MPLSoUDP', 'MPLSoEthernet'];
const serviceOf = (kind: string): string => `by-${kind.toLowerCase().replaceAll('_', '-')}`;

describe('between pods of two nodes', async () => {
  const nodes = await managerNodes();
  const [first = '', second = ''] = nodes;
  const possible = nodes.length > 1;
  if (!possible) process.stderr.write('not run: tunnels: the cluster has managers on one node alone\n');
  let here: TestNamespace;

  describe.skipIf(!possible)('packets go', () => {
    beforeAll(async () => {
      const tunnels = kinds.map((kind) => `${serviceOf(kind)}=${kind}`).join();
      await system.kubectl(['set', 'env', 'daemonset/nsm-manager', `NSM_TUNNEL=${tunnels}`]);
      await system.rolledOut('daemonset/nsm-manager');
      here = await TestNamespace.create('tunnels');
      const [service = '', ...others] = kinds.map(serviceOf);
      const args = others.flatMap((name) => ['--service', name]);
      await here.apply(endpoints('echo', 'icmp-responder', service, { node: first, args }));
      await here.rolledOut('deployment/echo');
    });

    afterAll(async () => {
      await here?.[Symbol.asyncDispose]();
      await system.kubectl(['set', 'env', 'daemonset/nsm-manager', 'NSM_TUNNEL-']);
      await system.rolledOut('daemonset/nsm-manager');
    });

    it.each(kinds)('through %s', async (kind) => {
      const service = serviceOf(kind);
      await here.apply(attached(service, service, { node: second }));
      const client = `deployment/${service}`;
      await here.rolledOut(client);
      const pinging = await here.startPinging(client, await answered(here, client));
      const { metadata } = await podOf(here, service);
      const [status] = JSON.parse(metadata.annotations?.['networkservicemesh.io/status'] ?? '[]');
      expect(status).toMatchObject({ state: 'SYNCED', tunnel: { type: kind } });
      expect(await pinging.stop()).toMatchObject({ lost: 0 });
      await here.remove(client);
    });
  });
});
