// HTTP/2 that no gRPC client speaks, without end: from an ordinary user in a pod, and from a node that somebody has taken over. Others
// are served meanwhile, and it costs the manager little.
import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Authority } from '@nsm/pki';
import { requireRoot, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { managerPort } from '../mesh/mesh-node.js';
import { nsmJson } from '../mesh/nsm-command.js';
import { sampleProcess } from '../reliability/process-sample.js';
import type { Flood, FloodKind } from './flooder.js';
import { pkiDir, shownBy } from './shown-certificates.js';

const program = fileURLToPath(new URL('./flooder.js', import.meta.url));
const thorough = process.env.SECURITY === 'thorough';
/** What may be left of garbage: MiB. A flood that was kept would be more. */
const mostMib = thorough ? 700 : 250;

/** Connections of each flood, and what is sent over each. */
const floods: readonly (readonly [kind: FloodKind, quick: number, thorough: number])[] = [
  // 40,000 in all, thoroughly.
  ['standing calls', 250, 2000],
  ['half requests', 40, 2000],
  ['resets', 2000, 50_000],
  ['continuations', 100, 20_000],
  ['metadata', 100, 2000],
  ['pings', 5000, 500_000],
  ['settings', 5000, 500_000],
  ['empty frames', 5000, 500_000],
  ['compressed', 30, 500],
];
const quickly: Readonly<Record<'client.sock' | 'TCP', readonly FloodKind[]>> = {
  'client.sock': ['standing calls', 'half requests', 'continuations', 'compressed'],
  TCP: ['standing calls', 'resets'],
};
/** Which limit of a pod they come to. */
const shares: Partial<Record<FloodKind, string>> = { 'standing calls': 'streams' };
/** A pod's calls have no pace: more at once delay others for as long as refusing them takes. */
const connections = { 'client.sock': thorough ? 12 : 10, TCP: thorough ? 20 : 10 } as const;

describe.skipIf(!requireRoot('floods'))('a flood', () => {
  let mesh: Mesh;
  let [victim, evil]: Pod[] = [];
  let own: Agent;

  beforeAll(async () => {
    mesh = await Mesh.start();
    chmodSync(mesh.dir, 0o711);
    [victim, evil] = ['victim', 'evil'].map((label) => mesh.pod(label));
    [own] = await Promise.all([
      mesh.agent(victim!),
      mesh.endpoint(mesh.a, { pod: mesh.pod('here'), name: 'here', services: ['near'] }),
      mesh.endpoint(mesh.b, { pod: mesh.pod('there'), name: 'there', services: ['far'] }),
    ]);
    await mesh.a.knows('near/here', 'far/there');
    // What begins with the first connection is there from now on.
    await expectService();
  });
  afterAll(async () => await mesh?.stop());

  const expectService = async (): Promise<void> => {
    for (const service of ['near', 'far']) {
      const request = { requestId: 'good', service, netns: victim!.netns };
      expect(await own.connect(mesh.a.runDir, request)).toMatchObject({ accepted: true, error: '' });
      await own.close(mesh.a.runDir, 'good', service);
    }
  };

  /** How often a pod was refused more of what a limit is for. */
  const refusedFor = async (limit: string): Promise<number> => {
    const { limits } = await nsmJson<{ limits: { name: string; refused: number }[] }>(
      ...(['describe', 'manager', '--run-dir', mesh.a.runDir] as const),
    );
    return limits.find(({ name }) => name === limit)?.refused ?? 0;
  };

  /** From whom to what: a pod to the sockets of its node, the other node to TCP. */
  const surfaces = {
    'client.sock': () => ({
      namespace: evil!.name,
      to: `${mesh.a.runDir}/client.sock`,
      call: '/nsmconnect.ClientConnection/RequestConnection',
      watch: '/grpc.health.v1.Health/Watch',
    }),
    TCP: () => ({
      namespace: mesh.b.namespace.name,
      to: {
        host: mesh.a.address,
        port: managerPort,
        tls: shownBy(Authority.open(pkiDir), 'taken'),
      },
      call: '/nsmproxy.ProxyConnection/CheckConnections',
      watch: '/nsmregistry.Registry/Watch',
    }),
  } as const;

  describe.each(Object.keys(surfaces) as (keyof typeof surfaces)[])('on %s', (surface) => {
    const tried = floods.filter(([kind]) => thorough || quickly[surface].includes(kind));
    it.each(tried)('of %s costs others nothing', { timeout: 120_000 }, async (kind, quick, many) => {
      const { namespace, to, call, watch } = surfaces[surface]();
      const { pid } = mesh.a.manager;
      const before = sampleProcess(pid, new Set());
      const method = ['standing calls', 'empty frames', 'metadata'].includes(kind) ? watch : call;
      const share = surface === 'client.sock' ? shares[kind] : undefined;
      // Of a connection that begins more calls than it may, HTTP/2 ends all, and none stands.
      const times = thorough && share === undefined ? many : quick;
      const flood: Flood = {
        kind,
        to,
        method,
        connections: connections[surface],
        times,
      };
      const user = ['--reuid=61001', '--regid=61001', '--clear-groups', '--no-new-privs'];
      const flooding = await spawnIn(namespace, 'setpriv', [
        ...[...user, process.execPath, program, JSON.stringify(flood)],
      ]);
      try {
        do await expectService();
        while (!flooding.output().includes('flooding'));
        // What stands, stands.
        await expectService();
        if (share !== undefined)
          await waitFor(async () => (await refusedFor(share)) > 0, {
            what: `the limit of ${share}`,
            timeout: 20_000,
          });
      } finally {
        await flooding.stop();
      }
      expect(flooding.output()).toBe('flooding\n');
      expect(sampleProcess(pid, new Set()).memory - before.memory).toBeLessThan(mostMib);
      await waitFor(() => sampleProcess(pid, new Set()).descriptors <= before.descriptors + 10);
    });
  });

  it('leaves nothing', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
