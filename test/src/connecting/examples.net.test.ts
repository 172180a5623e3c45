// The examples carry packets as they say: whole labs with the real command.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { requireRoot, run } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { thorough } from '../reliability/config.js';

const root = new URL('../../..', import.meta.url);
const nsm = fileURLToPath(new URL('packages/cli/bin/nsm.js', root));

interface Report {
  readonly ok: boolean;
  readonly connections: readonly {
    readonly client: string;
    readonly interfaceType: string | null;
    readonly endpointInterfaceType: string | null;
    readonly tunnel: string | null;
    readonly throughput: number | null;
    readonly notHere: boolean;
    readonly detail: string;
  }[];
}

describe.skipIf(!requireRoot('examples'))('examples', () => {
  it('all-tunnels: a connection over each tunnel and by each interface, with its throughput', async ({
    skip,
  }) => {
    if (!thorough) skip('thirteen connections are measured: `npm run reliability -- products` has the time');
    const file = fileURLToPath(new URL('examples/all-tunnels.yaml', root));
    const output = await run(undefined, process.execPath, [nsm, 'lab', 'up', file, '--once', '--json']).catch(
      // The report says which packets were lost.
      (error: Error & { stdout: string }) => {
        if (error.stdout === '') throw error;
        return error.stdout;
      },
    );
    const { ok, connections } = JSON.parse(output) as Report;
    const vhost = existsSync('/usr/bin/dpdk-testpmd');
    expect(
      connections.map(
        ({ client, interfaceType, endpointInterfaceType, tunnel, throughput, notHere, detail }) => [
          ...[client, interfaceType, endpointInterfaceType, tunnel?.split(' ')[0] ?? 'none'],
          ...[(throughput ?? 0) > 0 ? 'packets' : notHere ? 'no packets' : detail, notHere ? 'not here' : ''],
        ],
      ),
    ).toEqual([
      ['local', 'KERNEL', 'KERNEL', 'none', 'packets', ''],
      ['vxlan', 'KERNEL', 'KERNEL', 'VXLAN', 'packets', ''],
      ['vxlan-gpe', 'KERNEL', 'KERNEL', 'VXLAN_GRE', 'packets', ''],
      ['gre', 'KERNEL', 'KERNEL', 'GRE', 'packets', ''],
      ['mpls-udp', 'KERNEL', 'KERNEL', 'MPLSoUDP', 'packets', ''],
      ['mpls-gre', 'KERNEL', 'KERNEL', 'MPLSoGRE', 'packets', ''],
      ['mpls-ethernet', 'KERNEL', 'KERNEL', 'MPLSoEthernet', 'packets', ''],
      ['mem', 'MEM', 'MEM', 'none', 'packets', ''],
      ['mem-kernel', 'MEM', 'KERNEL', 'none', 'packets', ''],
      ['mem-far', 'MEM', 'MEM', 'GRE', 'packets', ''],
      ['vhost', 'VHOST', 'VHOST', 'none', ...(vhost ? ['packets', ''] : ['no packets', 'not here'])],
      ['hw', 'HW', 'HW', 'none', 'packets', ''],
      ['sriov', null, null, 'none', 'no packets', 'not here'],
    ]);
    expect(ok).toBe(true);
    expect(connections.at(-1)?.detail).toMatch(
      /fits \(NSM0202\)\n.* sriov: no pool of virtual functions is configured: .*; this node has /,
    );
  }, 150_000);
});
