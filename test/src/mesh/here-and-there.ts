// What most suites begin with: a client on the first node, and an endpoint on each: `here`, where it is, and `there`.
import type { Agent } from './agent.js';
import { Mesh, type MeshOptions, type Pod } from './mesh.js';
import { type Connected, nsmJson } from './nsm-command.js';

type Place = 'here' | 'there';

export interface HereAndThere {
  readonly mesh: Mesh;
  readonly client: Pod;
  /** In the client's pod. */
  readonly agent: Agent;
  readonly pods: Readonly<Record<Place, Pod>>;
  /** `nsm connect` for the client, as an init step runs it. */
  readonly connect: (service: string, requestId: string, ...flags: string[]) => Promise<Connected>;
  readonly disconnect: (service: string, requestId: string) => Promise<void>;
}

/** @param services what the endpoint of a place provides; both managers know of it when this resolves. */
export const hereAndThere = async (
  services: (place: Place) => readonly string[],
  options: MeshOptions = {},
): Promise<HereAndThere> => {
  const mesh = await Mesh.start(options);
  try {
    const client = mesh.pod('client');
    const pods = { here: mesh.pod('here'), there: mesh.pod('there') };
    const { runDir } = mesh.a;
    const [agent] = await Promise.all([
      mesh.agent(client),
      mesh.endpoint(mesh.a, { pod: pods.here, name: 'here', services: services('here') }),
      mesh.endpoint(mesh.b, { pod: pods.there, name: 'there', services: services('there') }),
    ]);
    const known = (['here', 'there'] as const).flatMap((place) =>
      services(place).map((service) => `${service}/${place}`),
    );
    for (const node of mesh.nodes) await node.knows(...known);
    const asClient = ['--netns', client.name, '--run-dir', runDir];
    return {
      mesh,
      client,
      agent,
      pods,
      connect: (service, requestId, ...flags) =>
        nsmJson('connect', service, '--request-id', requestId, ...asClient, ...flags),
      disconnect: (service, requestId) => agent.close(runDir, requestId, service),
    };
  } catch (error) {
    await mesh.stop();
    throw error;
  }
};
