// Where packets are tried: two nodes, a pod on each, and between the pods a connection over every kind of tunnel.
import { type ConnectionParameters, InterfaceType, TunnelType, tunnelNames } from '@nsm/api';
import type { VxlanEngine } from '@nsm/forwarder';
import { Mesh, type Pod } from '../mesh.js';
import type { MeshNode } from '../mesh-node.js';
import { hashOf } from '../pod-network.js';
import { type Cell, PodEnd, type Version } from './pod-end.js';

export interface StageOptions {
  readonly underlay: Version;
  /** What carries VXLAN at the near node and at the far one. */
  readonly engines: readonly [VxlanEngine, VxlanEngine];
}

/** All kinds of the specification. */
export const kinds: readonly string[] = [
  TunnelType.VXLAN,
  TunnelType.VXLAN_GRE,
  TunnelType.GRE,
  TunnelType.MPLSoGRE,
  TunnelType.MPLSoUDP,
  TunnelType.MPLSoEthernet,
].map((type) => tunnelNames[type] ?? '');

export class PacketStage implements AsyncDisposable {
  readonly mesh: Mesh;
  readonly #client: Pod;
  readonly #endpoint: Pod;

  private constructor(mesh: Mesh) {
    this.mesh = mesh;
    this.#client = mesh.pod('client');
    this.#endpoint = mesh.pod('endpoint');
  }

  static async start({ underlay, engines }: StageOptions): Promise<PacketStage> {
    const mesh = await Mesh.start({
      underlay,
      flags: [
        // The test's own process asks on behalf of its pods.
        ...['--allow-uid', '0', '--prefix', '10.60.0.0/16', '--prefix', 'fd00:60::/48'],
        ...kinds.flatMap((kind) => ['--tunnel', `${serviceOf(kind)}=${kind}`]),
      ],
      flagsOf: ({ dir }) => ['--vxlan-engine', engines[dir.endsWith('node-a') ? 0 : 1]],
    });
    try {
      const stage = new PacketStage(mesh);
      const services = kinds.map(serviceOf);
      await mesh.endpoint(mesh.b, { pod: stage.#endpoint, name: 'far', services });
      await mesh.a.knows(...services.map((service) => `${service}/far`));
      return stage;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** A connection over that kind of tunnel. */
  async connect(kind: string): Promise<Cell> {
    const { a: node } = this.mesh;
    const { addresses, peerAddresses, mtu, connectionId } = await request(
      node,
      this.#client,
      serviceOf(kind),
    );
    return {
      kind,
      mtu,
      near: endOf(this.#client, connectionId, addresses),
      far: endOf(this.#endpoint, connectionId, peerAddresses),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.mesh.stop();
  }
}

const serviceOf = (kind: string): string => `by-${kind.toLowerCase()}`;

const request = async (node: MeshNode, pod: Pod, service: string): Promise<ConnectionParameters> => {
  const { accepted, admissionError, connectionParameters } = await node.clients.requestConnection({
    requestId: pod.name,
    networkServiceName: service,
    linuxNamespace: pod.netns,
    interface: [{ type: InterfaceType.KERNEL_INTERFACE }],
  });
  if (!accepted || !connectionParameters) throw new Error(admissionError);
  return connectionParameters;
};

const endOf = ({ namespace }: Pod, connectionId: string, addresses: readonly string[]): PodEnd => {
  const device = namespace.route.links().find(({ alias }) => alias?.endsWith(hashOf(connectionId)));
  if (!device) throw new Error(`${namespace.name} has no device of ${connectionId}`);
  return new PodEnd(namespace, device, addresses);
};
