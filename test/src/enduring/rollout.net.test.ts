// Managers that are replaced one node after the other, each in a container of its own, as the pods of a DaemonSet are: no packet is lost,
// whatever carries it.
import { requireRoot, thorough } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contained, managerCapabilities } from '../mesh/contained.js';
import { readDetails } from '../mesh/extensions.js';
import { type Flow, flow } from '../mesh/flow.js';
import { Mesh, type Pod } from '../mesh/mesh.js';

const kinds = ['vxlan', 'gre', 'vxlan_gre', 'mplsogre', 'mplsoudp', 'mplsoethernet'] as const;
const rounds = thorough ? 20 : 2;

describe.skipIf(!requireRoot('rollout'))('a rollout of managers', () => {
  let mesh: Mesh;
  let client: Pod;
  const toward = new Map<string, string>();

  beforeAll(async () => {
    const flags = kinds.flatMap((kind) => ['--tunnel', `over-${kind}=${kind}`]);
    const before = contained(...managerCapabilities);
    mesh = await Mesh.start({ switched: { nodes: 2 }, flags, before });
    client = mesh.pod('client');
    const server = mesh.pod('server');
    const beside = mesh.pod('beside');
    const services = kinds.map((kind) => `over-${kind}`);
    const [agent] = await Promise.all([
      mesh.agent(client),
      mesh.endpoint(mesh.b, { pod: server, name: 'there', services }),
      mesh.endpoint(mesh.a, { pod: beside, name: 'here', services: ['here'] }),
    ]);
    const all = [...services, 'here'];
    await mesh.a.knows('here/here', ...services.map((service) => `${service}/there`));
    for (const service of all) {
      const reply = await agent.connectBytes(mesh.a.runDir, {
        requestId: 'lasting',
        service,
        netns: client.netns,
      });
      toward.set(service, readDetails(reply).peerAddresses[0] ?? '');
    }
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  /** Packets that were lost while something happened, by network service. */
  const lostDuring = async (happens: () => Promise<void>): Promise<Record<string, number>> => {
    const flows = new Map<string, Flow>();
    for (const [service, address] of toward) flows.set(service, await flow(client, address));
    await happens();
    const lost: Record<string, number> = {};
    for (const [service, running] of flows) {
      const { sent, received } = await running.end();
      expect(sent).toBeGreaterThan(20);
      lost[service] = sent - received;
    }
    return lost;
  };
  const none = (): Record<string, number> =>
    Object.fromEntries([...toward.keys()].map((service) => [service, 0]));
  const replaceAll = async (): Promise<void> => {
    for (const node of mesh.nodes) {
      await node.end('SIGTERM');
      await node.start();
    }
  };

  it('one node after the other loses no packet', async () => {
    const lost = await lostDuring(async () => {
      for (let round = 0; round < rounds; round++) await replaceAll();
    });
    expect(lost).toEqual(none());
  }, 300_000);

  it('nor does one in which the registry is away, and comes back with nothing', async () => {
    const lost = await lostDuring(async () => {
      for (let round = 0; round < rounds / 2; round++) {
        await mesh.registry?.kill();
        mesh.registry?.loseStore();
        await replaceAll();
        await mesh.registry?.revive();
        await mesh.a.knows('over-gre/there');
      }
    });
    expect(lost).toEqual(none());
  }, 300_000);
});
