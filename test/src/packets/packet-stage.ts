// Where packets are tried: two nodes, pods on each, and between the pods connections over every kind of tunnel.
import { writeFileSync } from 'node:fs';
import { InterfaceType, TunnelType, tunnelNames } from '@nsm/api';
import type { VxlanEngine } from '@nsm/forwarder';
import { firstAnswer, type Running, waitFor } from '@nsm/testkit';
import { type Application, startMemif, startVhost } from '../mesh/applications.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { hashOf } from '../mesh/pod-network.js';
import type { CableKind } from '../mesh/underlay.js';
import { type Cell, PodEnd, type Version, versions } from './pod-end.js';

export interface StageOptions {
  readonly underlay: Version;
  readonly cable: CableKind;
  /** Bytes of the underlay's largest packet. */
  readonly mtu: number;
  /** What carries VXLAN at the near node and at the far one. */
  readonly engines: readonly [VxlanEngine, VxlanEngine];
  /** Whether pods may send from their own addresses only. Default: `off`. */
  readonly sourceCheck?: 'on' | 'off';
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
export type Attachment = 'kernel' | 'mem' | 'vhost';
const interfaceTypes = {
  kernel: InterfaceType.KERNEL_INTERFACE,
  mem: InterfaceType.MEM_INTERFACE,
  vhost: InterfaceType.VHOST_INTERFACE,
} as const;
const applicationOf = { mem: startMemif, vhost: startVhost } as const;

/** A connection as the managers made it. */
export interface Connection extends Cell {
  /** By which the managers know it. */
  readonly id: string;
  /** What holds the other end of shared memory, the far pod's first. */
  readonly applications: readonly AsyncDisposable[];
}

/** The way from one pod to another by a third. */
export interface Chain extends Cell {
  /** The connection of the one between. */
  readonly second: Connection;
}

/** A pod with an endpoint in it. */
interface Server {
  readonly pod: Pod;
  readonly attachment: Attachment;
  readonly running: Running;
}

/** Endpoints on the far node, and those on the client's own. */
const places = {
  far: { node: 'b', attachment: 'kernel' },
  'far-mem': { node: 'b', attachment: 'mem' },
  'far-vhost': { node: 'b', attachment: 'vhost' },
  near: { node: 'a', attachment: 'kernel' },
  'near-mem': { node: 'a', attachment: 'mem' },
  'near-vhost': { node: 'a', attachment: 'vhost' },
} as const satisfies Record<string, { readonly node: 'a' | 'b'; readonly attachment: Attachment }>;
type Place = keyof typeof places;
const placeOf = (node: 'near' | 'far', attachment: Attachment): Place =>
  attachment === 'kernel' ? node : `${node}-${attachment}`;
const serviceOf = (place: Place, kind: string): string => `${place}-${kind.toLowerCase()}`;

export class PacketStage implements AsyncDisposable {
  readonly mesh: Mesh;
  readonly #client: Pod;
  /** Started when somebody first wants one. */
  readonly #servers = new Map<Place, Promise<Server>>();
  readonly #applications: AsyncDisposable[] = [];

  readonly #sourceCheck: string;

  private constructor(mesh: Mesh, sourceCheck: string) {
    this.mesh = mesh;
    this.#sourceCheck = sourceCheck;
    this.#client = mesh.pod('client');
  }

  static async start({ engines, sourceCheck = 'off', ...options }: StageOptions): Promise<PacketStage> {
    const services = kinds.flatMap((kind) =>
      (Object.keys(places) as Place[]).map((place) => `${serviceOf(place, kind)}=${kind}`),
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
    return new PacketStage(mesh, sourceCheck);
  }

  /** A connection from the client to the far node. */
  async connect(kind: string, near: Attachment = 'kernel', far: Attachment = 'kernel'): Promise<Connection> {
    return await this.#connect(this.mesh.a, this.#client, near, placeOf('far', far), kind);
  }

  /** One without a tunnel: the endpoint is on the client's node. */
  async connectHere(near: Attachment, far: Attachment): Promise<Connection> {
    return await this.#connect(this.mesh.a, this.#client, near, placeOf('near', far), kinds[0] ?? '');
  }

  /** A way through two tunnels: there over `first`, and back over another of `kind`; the pod between them forwards. */
  async chain(first: Cell, kind: string): Promise<Chain> {
    const { pod } = await this.#server('far');
    const second = await this.#connect(this.mesh.b, pod, 'kernel', 'near', kind);
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
    return { near: first.near, far: second.far, mtu: Math.min(first.mtu, second.mtu), second };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const application of this.#applications.splice(0)) await application[Symbol.asyncDispose]();
    await this.mesh.stop();
  }

  #server(place: Place): Promise<Server> {
    const started = this.#servers.get(place) ?? this.#serve(place);
    this.#servers.set(place, started);
    return started;
  }

  async #serve(place: Place): Promise<Server> {
    const { node, attachment } = places[place];
    const pod = this.mesh.pod(place);
    const services = kinds.map((kind) => serviceOf(place, kind));
    const flags = ['--interface', `${attachment}?source_check=${this.#sourceCheck}`];
    const running = await this.mesh.endpoint(this.mesh[node], { pod, name: place, services, flags });
    const known = services.map((service) => `${service}/${place}`);
    await Promise.all(this.mesh.nodes.map((one) => one.knows(...known)));
    return { pod, attachment, running };
  }

  async #connect(
    node: MeshNode,
    pod: Pod,
    attachment: Attachment,
    place: Place,
    kind: string,
  ): Promise<Connection> {
    const server = await this.#server(place);
    const { accepted, admissionError, ...reply } = await node.clients.requestConnection({
      requestId: `${pod.name}-${attachment}`,
      networkServiceName: serviceOf(place, kind),
      linuxNamespace: pod.netns,
      interface: [
        {
          type: interfaceTypes[attachment],
          parameters: { interfaceParameters: { source_check: this.#sourceCheck } },
        },
      ],
    });
    const { connectionParameters, interface: attached } = reply;
    if (!accepted || !connectionParameters) throw new Error(admissionError);
    const { connectionId: id, addresses, peerAddresses, mtu } = connectionParameters;
    const parameters = attached?.parameters?.interfaceParameters ?? {};
    const near = { pod, attachment, addresses, parameters: async () => parameters };
    const far = { ...server, addresses: peerAddresses, parameters: () => told(server.running, id) };
    // Where both have shared memory on one node, they are each other's peers.
    const applications: Application[] = [];
    for (const end of [far, near])
      if (end.attachment !== 'kernel')
        applications.push(await this.#startApplication(end, await end.parameters(), mtu));
    for (const application of applications) await application.connected();
    // Which testpmd does not tell.
    if ([near.attachment, far.attachment].includes('vhost'))
      await firstAnswer(pod.name, peerAddresses[0] ?? '', {
        timeout: 20_000,
        what: 'the vhost-user’s peer',
      });
    const [nearEnd, farEnd] = [near, far].map((end) => endOf(end.pod, end.attachment, id, end.addresses));
    if (!nearEnd || !farEnd) throw new Error('a connection has two ends');
    return { id, near: nearEnd, far: farEnd, mtu, applications };
  }

  async #startApplication(
    { pod, attachment, addresses }: Pick<Server, 'pod' | 'attachment'> & { addresses: readonly string[] },
    parameters: Readonly<Record<string, string>>,
    mtu: number,
  ): Promise<Application> {
    if (attachment === 'kernel') throw new Error('the kernel is there already');
    const withLength = addresses.map((one) =>
      one.includes('/') ? one : `${one}/${one.includes(':') ? 127 : 31}`,
    );
    const application = await applicationOf[attachment](pod, { parameters, addresses: withLength, mtu });
    this.#applications.push(application);
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
    .find((link) => (attachment === 'kernel' ? link.alias?.endsWith(hashOf(id)) : link.index === index));
  if (!device) throw new Error(`${namespace.name} has no device of ${id}`);
  return new PodEnd(namespace, device, addresses);
};
