// Where packets are tried: two nodes, pods on each, and between the pods connections over every kind of tunnel.
import { writeFileSync } from 'node:fs';
import { InterfaceType, TunnelType, tunnelNames } from '@nsm/api';
import type { VxlanEngine } from '@nsm/forwarder';
import { type Running, waitFor } from '@nsm/testkit';
import { startMemif } from '../applications.js';
import { Mesh, type Pod } from '../mesh.js';
import type { MeshNode } from '../mesh-node.js';
import { hashOf } from '../pod-network.js';
import type { CableKind } from '../underlay.js';
import { type Cell, PodEnd, type Version, versions } from './pod-end.js';

export interface StageOptions {
  readonly underlay: Version;
  readonly cable: CableKind;
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

/** How a pod is attached. */
export type Attachment = 'kernel' | 'mem';
const interfaceTypes = { kernel: InterfaceType.KERNEL_INTERFACE, mem: InterfaceType.MEM_INTERFACE } as const;

/** A connection over a tunnel. */
export interface Tunnelled extends Cell {
  /** By which the managers know it. */
  readonly id: string;
  /** What holds the other end of shared memory, the far pod's first. */
  readonly applications: readonly AsyncDisposable[];
}

/** A pod with an endpoint in it. */
interface Server {
  readonly pod: Pod;
  readonly attachment: Attachment;
  readonly running: Running;
}

/** Endpoints: the far ones, and one on the near node to which a second tunnel leads back. */
type Place = 'far' | 'far-mem' | 'back';
const serviceOf = (place: Place, kind: string): string => `${place}-${kind.toLowerCase()}`;

export class PacketStage implements AsyncDisposable {
  readonly mesh: Mesh;
  readonly #client: Pod;
  readonly #servers = new Map<Place, Server>();
  readonly #applications: AsyncDisposable[] = [];

  private constructor(mesh: Mesh) {
    this.mesh = mesh;
    this.#client = mesh.pod('client');
  }

  static async start({ engines, ...options }: StageOptions): Promise<PacketStage> {
    const services = kinds.flatMap((kind) =>
      (['far', 'far-mem', 'back'] as const).map((place) => `${serviceOf(place, kind)}=${kind}`),
    );
    const mesh = await Mesh.start({
      ...options,
      flags: [
        // The test's own process asks on behalf of its pods.
        ...['--allow-uid', '0', '--prefix', '10.60.0.0/16', '--prefix', 'fd00:60::/48'],
        ...['--tunnel', services.join(',')],
      ],
      flagsOf: ({ dir }) => ['--vxlan-engine', engines[dir.endsWith('node-a') ? 0 : 1]],
    });
    const stage = new PacketStage(mesh);
    try {
      await Promise.all([
        stage.#serve('far', mesh.b, 'kernel'),
        stage.#serve('far-mem', mesh.b, 'mem'),
        stage.#serve('back', mesh.a, 'kernel'),
      ]);
      return stage;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A new connection from the client to the far node. */
  async connect(kind: string, near: Attachment = 'kernel', far: Attachment = 'kernel'): Promise<Tunnelled> {
    return await this.#connect(this.mesh.a, this.#client, near, far === 'mem' ? 'far-mem' : 'far', kind);
  }

  /**
   * A way through two tunnels: there over `first`, a new connection, and back over another of `kind`; the pod between them
   * forwards.
   */
  async chain(first: Cell, kind: string): Promise<Cell> {
    const { pod } = this.#server('far');
    const second = await this.#connect(this.mesh.b, pod, 'kernel', 'back', kind);
    pod.namespace.namespace.run(() => {
      writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
      writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
    });
    for (const version of versions)
      for (const [end, gateway, target] of [
        [first.near, first.far, second.far],
        [second.far, second.near, first.near],
      ] as const)
        end.namespace.route.addRoute(
          {
            destination: target.addresses[version],
            gateway: gateway.addresses[version],
            device: end.device.index,
          },
          'replace',
        );
    return { near: first.near, far: second.far, mtu: Math.min(first.mtu, second.mtu) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const application of this.#applications.splice(0)) await application[Symbol.asyncDispose]();
    await this.mesh.stop();
  }

  #server(place: Place): Server {
    const server = this.#servers.get(place);
    if (!server) throw new Error(`there is no endpoint ${place}`);
    return server;
  }

  async #serve(place: Place, node: MeshNode, attachment: Attachment): Promise<void> {
    const pod = this.mesh.pod(place);
    const services = kinds.map((kind) => serviceOf(place, kind));
    const flags = ['--interface', attachment];
    const running = await this.mesh.endpoint(node, { pod, name: place, services, flags });
    this.#servers.set(place, { pod, attachment, running });
    const known = services.map((service) => `${service}/${place}`);
    await Promise.all(this.mesh.nodes.map((one) => one.knows(...known)));
  }

  async #connect(
    node: MeshNode,
    pod: Pod,
    attachment: Attachment,
    place: Place,
    kind: string,
  ): Promise<Tunnelled> {
    const server = this.#server(place);
    const { accepted, admissionError, ...reply } = await node.clients.requestConnection({
      requestId: `${pod.name}-${attachment}`,
      networkServiceName: serviceOf(place, kind),
      linuxNamespace: pod.netns,
      interface: [{ type: interfaceTypes[attachment] }],
    });
    const { connectionParameters, interface: attached } = reply;
    if (!accepted || !connectionParameters) throw new Error(admissionError);
    const { connectionId: id, addresses, peerAddresses, mtu } = connectionParameters;
    const parameters = attached?.parameters?.interfaceParameters ?? {};
    const near = { pod, attachment, addresses, parameters: async () => parameters };
    const far = { ...server, addresses: peerAddresses, parameters: () => told(server.running, id) };
    // The far application first, so that the near one finds it.
    const ends: PodEnd[] = [];
    const applications: AsyncDisposable[] = [];
    for (const end of [far, near]) {
      if (end.attachment === 'mem')
        applications.push(await this.#startMemif(end.pod, await end.parameters(), end.addresses, mtu));
      ends.unshift(endOf(end.pod, end.attachment, id, end.addresses));
    }
    const [nearEnd, farEnd] = ends as [PodEnd, PodEnd];
    return { id, near: nearEnd, far: farEnd, mtu, applications };
  }

  async #startMemif(
    pod: Pod,
    parameters: Readonly<Record<string, string>>,
    addresses: readonly string[],
    mtu: number,
  ): Promise<AsyncDisposable> {
    const withLength = addresses.map((one) =>
      one.includes('/') ? one : `${one}/${one.includes(':') ? 127 : 31}`,
    );
    const application = await startMemif(pod, { parameters, addresses: withLength, mtu });
    this.#applications.push(application);
    await application.connected();
    return application;
  }
}

/** What an endpoint's process was told of a connection with shared memory. */
const told = async (running: Running, id: string): Promise<Readonly<Record<string, string>>> => {
  const line = await waitFor(() =>
    running
      .output()
      .split('\n')
      .findLast((one) => one.includes('client-accepted') && one.includes(hashOf(id)) && one.endsWith('}')),
  );
  return (JSON.parse(line) as { interfaceParameters: Readonly<Record<string, string>> }).interfaceParameters;
};

/** A device of ours bears the connection's id; that of an application has its address. */
const endOf = (
  { namespace }: Pod,
  attachment: Attachment,
  id: string,
  addresses: readonly string[],
): PodEnd => {
  const { route } = namespace;
  const [address = ''] = addresses;
  const index = route.addresses().find((one) => one.address.split('/')[0] === address.split('/')[0])?.index;
  const device = route
    .links()
    .find((link) => (attachment === 'mem' ? link.index === index : link.alias?.endsWith(hashOf(id))));
  if (!device) throw new Error(`${namespace.name} has no device of ${id}`);
  return new PodEnd(namespace, device, addresses);
};
