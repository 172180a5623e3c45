// What the model-based test and the soak act on: three nodes, five endpoints of two services, twenty client pods.
import { InterfaceType } from '@nsm/api';
import { ping, type Running, run, waitFor } from '@nsm/testkit';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { bare } from '../mesh/pod-network.js';

export const services = ['red', 'blue'] as const;
export type Service = (typeof services)[number];

/** Node and service of each endpoint. */
export const endpointPlaces: readonly (readonly [node: number, service: Service])[] = [
  [0, 'red'],
  [1, 'red'],
  [2, 'red'],
  [1, 'blue'],
  [2, 'blue'],
];
const nodeCount = 3;
/** Nodes whose forwarder is a process of its own. */
export const forwarders: readonly number[] = [1, 2];
const clientCount = 20;

export const harms = ['delete', 'down', 'flush'] as const;
export type Harm = (typeof harms)[number];

export interface WorldEndpoint {
  readonly name: string;
  readonly service: Service;
  readonly node: MeshNode;
  readonly pod: Pod;
  process: Running | undefined;
}

export interface WorldClient {
  pod: Pod;
  readonly node: MeshNode;
}

export class World implements AsyncDisposable {
  readonly mesh: Mesh;
  readonly endpoints: readonly WorldEndpoint[];
  readonly clients: readonly WorldClient[];

  private constructor(mesh: Mesh) {
    this.mesh = mesh;
    this.endpoints = endpointPlaces.map(([node, service], index) => ({
      name: `${service}-${index}`,
      service,
      node: mesh.nodes[node]!,
      pod: mesh.pod(`${service}-${index}`),
      process: undefined,
    }));
    this.clients = Array.from({ length: clientCount }, (_, index) => ({
      pod: mesh.pod(`client-${index}`),
      node: mesh.nodes[index % nodeCount]!,
    }));
  }

  static async start(): Promise<World> {
    const mesh = await Mesh.start({
      switched: { nodes: nodeCount, forwarders },
      // The test's own process asks on behalf of its pods; each node prefers another kind of tunnel.
      flagsOf: ({ dir }) => [
        ...['--allow-uid', '0'],
        ...[
          '--tunnel',
          dir.endsWith('a') ? 'gre,vxlan' : dir.endsWith('b') ? 'vxlan,gre' : 'mplsoudp,vxlan,gre',
        ],
      ],
    });
    const world = new World(mesh);
    try {
      await world.restore();
      return world;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** Asks for a connection whose device has a name of this variant. Returns its refusal; '' when it was accepted. */
  async request({ pod, node }: WorldClient, service: Service, variant: number): Promise<string> {
    const { accepted, admissionError } = await node.clients.requestConnection({
      requestId: pod.name,
      networkServiceName: service,
      linuxNamespace: pod.netns,
      interface: [
        {
          type: InterfaceType.KERNEL_INTERFACE,
          parameters: { interfaceParameters: { name: `${service}${variant}` } },
        },
      ],
    });
    return accepted ? '' : admissionError || 'refused without a word';
  }

  /** Closes a connection. Returns its refusal; '' when it was accepted. */
  async close({ pod, node }: WorldClient, service: Service): Promise<string> {
    const { accepted, admissionError } = await node.clients.closeConnection({
      requestId: pod.name,
      networkServiceName: service,
    });
    return accepted ? '' : admissionError || 'refused without a word';
  }

  /** The pod of a client ends, and another takes its place. */
  replacePod(client: WorldClient): void {
    this.mesh.removePod(client.pod);
    client.pod = this.mesh.pod('client');
  }

  /** Someone does to a client's interface what is not theirs to do. One that is not there just now cannot be harmed. */
  async meddle({ pod }: WorldClient, device: string, harm: Harm): Promise<void> {
    const commands = {
      delete: ['link', 'delete', device],
      down: ['link', 'set', device, 'down'],
      flush: ['address', 'flush', 'dev', device],
    };
    await run(undefined, 'ip', ['-n', pod.name, ...commands[harm]]).catch(() => undefined);
  }

  async startEndpoint(endpoint: WorldEndpoint): Promise<void> {
    endpoint.process ??= await this.mesh.endpoint(endpoint.node, {
      pod: endpoint.pod,
      name: endpoint.name,
      services: [endpoint.service],
    });
  }

  async killEndpoint(endpoint: WorldEndpoint): Promise<void> {
    endpoint.process?.child.kill('SIGKILL');
    await endpoint.process?.exited;
    endpoint.process = undefined;
  }

  /** Ends every partition; every manager and endpoint runs, and is known everywhere. */
  async restore(): Promise<void> {
    await this.mesh.switch.heal();
    await this.mesh.registry?.revive();
    await Promise.all(this.mesh.nodes.map((node) => node.revive()));
    await Promise.all(this.endpoints.map((endpoint) => this.startEndpoint(endpoint)));
    const known = this.endpoints.map(({ service, name }) => `${service}/${name}`);
    await Promise.all(this.mesh.nodes.map((node) => node.knows(...known)));
  }

  /**
   * Connections of clients as the managers list them, in a fixed order: `POD SERVICE DEVICE`, and its state where that is
   * not UP.
   */
  async connections(): Promise<string[]> {
    const lists = await Promise.all(this.mesh.nodes.map((node) => node.connections()));
    return lists
      .flat()
      .filter(({ role }) => role !== 'ENDPOINT')
      .map(({ requestId, networkServiceName, connectionParameters, state, detail }) =>
        [requestId, networkServiceName, connectionParameters?.interfaceName]
          .concat(state === 'UP' ? [] : [state, detail])
          .join(' '),
      )
      .toSorted();
  }

  /** Connections whose far end does not answer a ping. */
  async silent(): Promise<string[]> {
    const lists = await Promise.all(this.mesh.nodes.map((node) => node.connections()));
    const asked = lists
      .flat()
      .filter(({ role }) => role !== 'ENDPOINT')
      .map(async ({ requestId, id, connectionParameters }) => {
        const to = connectionParameters?.peerAddresses[0] ?? '';
        const { received } = await ping(requestId, bare(to), { deadline: 1 });
        return received === 1 ? [] : [`${id} of ${requestId}: no answer from ${to}`];
      });
    return (await Promise.all(asked)).flat();
  }

  /** Waits until the managers list exactly these connections. @throws Error with both lists */
  async settled(wanted: readonly string[], timeout: number): Promise<void> {
    let found: readonly string[] = [];
    const same = async (): Promise<boolean> => {
      found = await this.connections();
      return found.join('\n') === wanted.join('\n');
    };
    await waitFor(same, { timeout, interval: 50 }).catch(() => {
      const missing = wanted.filter((line) => !found.includes(line));
      const unwanted = found.filter((line) => !wanted.includes(line));
      throw new Error(`not there: [${missing.join('; ')}]; there instead: [${unwanted.join('; ')}]`);
    });
  }

  /** Everything is there again, and no connection. */
  async tidy(): Promise<void> {
    await this.restore();
    for (const node of this.mesh.nodes) await node.closeAll();
    await this.settled([], 10_000);
  }

  async stop(): Promise<void> {
    await this.mesh.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
