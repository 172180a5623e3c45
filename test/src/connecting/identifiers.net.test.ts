// Two managers that open connections to each other at the same moment, drawing from very few identifiers, killed in between:
// every tunnel has its own identifier, and both ends mean the same one.
import { fileURLToPath } from 'node:url';
import { InterfaceType } from '@nsm/api';
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';

const preload = fileURLToPath(new URL('../mesh/few-identifiers.js', import.meta.url));
/** Connections that each manager opens at once. */
const count = 10;

describe.skipIf(!requireRoot('identifiers'))('tunnel identifiers', { timeout: 60_000 }, () => {
  let mesh: Mesh;
  let clients: readonly [Pod, Pod];

  beforeAll(async () => {
    mesh = await Mesh.start({
      before: ['env', `NODE_OPTIONS=--import=${preload}`],
      flags: ['--allow-uid', '0', '--prefix', '10.60.0.0/16'],
    });
    clients = [mesh.pod('client-a'), mesh.pod('client-b')];
    await Promise.all([
      mesh.endpoint(mesh.a, { pod: mesh.pod('endpoint-a'), name: 'at-a', services: ['at-a'] }),
      mesh.endpoint(mesh.b, { pod: mesh.pod('endpoint-b'), name: 'at-b', services: ['at-b'] }),
    ]);
    await mesh.a.knows('at-b/at-b');
    await mesh.b.knows('at-a/at-a');
  });
  afterAll(async () => await mesh?.stop());

  /** A manager whose proposals are all taken refuses, and says to try again. */
  const connect = async (node: MeshNode, pod: Pod, service: string, requestId: string) =>
    await waitFor(
      async () => {
        const reply = await node.clients.requestConnection({
          requestId,
          networkServiceName: service,
          linuxNamespace: pod.name,
          interface: [{ type: InterfaceType.KERNEL_INTERFACE }],
        });
        if (reply.accepted) return reply.connectionParameters;
        expect(reply.admissionError).toMatch(/NSM0402/);
        return undefined;
      },
      { timeout: 20_000, what: `${requestId} being connected` },
    );
  const openBothWays = async (round: string): Promise<void> => {
    const [a, b] = clients;
    const opened = Array.from({ length: count }, async (_, n) => {
      const id = `${round}-${n}`;
      const both = await Promise.all([connect(mesh.a, a, 'at-b', id), connect(mesh.b, b, 'at-a', id)]);
      for (const [side, { peerAddresses }] of both.entries())
        expect(await ping(clients[side]!.name, peerAddresses[0] ?? '')).toMatchObject({ received: 1 });
    });
    await Promise.all(opened);
  };
  /** Identifiers of a node's tunnels by connection. */
  const identifiers = async (node: MeshNode): Promise<Map<string, number>> =>
    new Map(
      (await node.connections()).map(({ id, crossConnect }) => [
        id.slice(-16),
        crossConnect?.tunnel?.identifier ?? 0,
      ]),
    );
  const expectAgreement = async (tunnels: number): Promise<void> => {
    const [ofA, ofB] = await Promise.all([identifiers(mesh.a), identifiers(mesh.b)]);
    expect(ofA.size).toBe(tunnels);
    expect(new Set(ofA.values()).size).toBe(tunnels);
    expect(ofB).toEqual(new Map([...ofB.keys()].map((id) => [id, ofA.get(id)])));
    // MPLS keeps 0 to 15 for itself; so few were left to choose from that the managers met.
    for (const identifier of ofA.values()) {
      expect(identifier).toBeGreaterThanOrEqual(16);
      expect(identifier).toBeLessThan(16 + 96);
    }
  };

  it('never collide, in either direction, also after both managers were killed', async () => {
    await openBothWays('first');
    await expectAgreement(2 * count);
    await Promise.all(mesh.nodes.map((node) => node.restart('SIGKILL')));
    await mesh.a.knows('at-b/at-b');
    await mesh.b.knows('at-a/at-a');
    await openBothWays('second');
    await expectAgreement(4 * count);
    for (const node of mesh.nodes) await node.closeAll();
    expect(await mesh.finish()).toEqual([]);
  });
});
