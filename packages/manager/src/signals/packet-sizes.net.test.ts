// A way between two nodes that carries less than both nodes think: connections come up, small packets pass, and operators are told
// what does not come back.
import { execFileSync } from 'node:child_process';
import { requireRoot, waitFor } from '@nsm/testkit';
import { describe, expect, it } from 'vitest';
import { kernel, sharedMesh } from '../manager.test.mesh.js';
import { routed } from '../manager.test.underlay.js';

describe.skipIf(!requireRoot('packet sizes'))('a way that carries less than it seems', () => {
  const shared = sharedMesh(['client', 'endpoint'], routed(4), { probeIntervalMs: 50 });

  it('is told of with the MTU that is right for it, until that is set', { timeout: 90_000 }, async () => {
    const { mesh } = shared;
    // Large packets of tunnels disappear on the way, without a word.
    const rule = 'ip protocol udp ip length > 1400 drop';
    const chain = `type filter hook forward priority 0; ${rule};`;
    const nft = `table ip narrow { chain forward { ${chain} }; }`;
    execFileSync('ip', ['netns', 'exec', mesh.pod('router').name, 'nft', nft]);
    await mesh.serve(1, 'ping', 'endpoint');
    const { admissionError, connectionParameters } = await mesh.client(0).requestConnection({
      requestId: 'pod-1',
      networkServiceName: 'ping',
      linuxNamespace: mesh.pod('client').name,
      interface: [kernel],
    });
    expect([admissionError, connectionParameters?.mtu]).toEqual(['', 1450]);
    const seenBy = async (node: 0 | 1) => {
      const { connections } = await mesh.operator(node).listConnections({});
      return connections[0];
    };
    for (const [node, host] of [
      [0, '10.9.1.254'],
      [1, '10.9.2.254'],
    ] as const) {
      await waitFor(async () => (await seenBy(node))?.narrowWay !== undefined, { timeout: 40_000 });
      expect(await seenBy(node)).toMatchObject({
        state: 'UP',
        narrowWay: { carries: 1350, way: { device: 'under', via: host, mtu: 1400 } },
      });
    }
    const { narrowWay } = (await seenBy(0))!;
    const { device = '', via = '', mtu = 0 } = narrowWay?.way ?? {};
    const route = ['route', 'replace', '10.9.2.1', 'via', via, 'dev', device, 'mtu', 'lock', `${mtu}`];
    execFileSync('ip', ['-n', mesh.pod('node-a').name, ...route]);
    // The connection is made anew, with the MTU that fits.
    await waitFor(async () => {
      const now = await seenBy(0);
      return now?.state === 'UP' && now.connectionParameters?.mtu === 1350 && now.narrowWay === undefined;
    });
    // The other node hears of a full packet that comes back.
    await waitFor(async () => (await seenBy(1))?.narrowWay === undefined, { timeout: 40_000 });
  });
});
