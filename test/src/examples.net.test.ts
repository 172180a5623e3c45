// The examples carry packets as they say: whole labs with the real command.
import { fileURLToPath } from 'node:url';
import { requireRoot, run } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const nsm = fileURLToPath(new URL('packages/cli/bin/nsm.js', root));

interface Report {
  readonly ok: boolean;
  readonly connections: readonly { readonly tunnel: string | null; readonly throughput: number | null }[];
}

describe.skipIf(!requireRoot('examples'))('examples', () => {
  it('all-tunnels: a connection over each kind, with its throughput', async () => {
    const file = fileURLToPath(new URL('examples/all-tunnels.yaml', root));
    const output = await run(undefined, process.execPath, [nsm, 'lab', 'up', file, '--once', '--json']);
    const { ok, connections } = JSON.parse(output) as Report;
    expect(ok).toBe(true);
    expect(connections.map(({ tunnel }) => tunnel?.split(' ')[0] ?? 'none')).toEqual([
      'none',
      'VXLAN',
      'VXLAN_GRE',
      'GRE',
      'MPLSoUDP',
      'MPLSoGRE',
      'MPLSoEthernet',
    ]);
    for (const { throughput } of connections) expect(throughput).toBeGreaterThan(0);
  });
});
