// Where failures happen: nodes on a switch, every part a process of its own, two endpoints of one service, and a client.
import { type ConnectionParameters, InterfaceType } from '@nsm/api';
import { type Running, run } from '@nsm/testkit';
import { Mesh, type MeshOptions, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';

/** How client and endpoints are placed and joined. */
export interface Column {
  readonly name: string;
  /** Kind of tunnel; undefined: all on one node. */
  readonly tunnel?: 'vxlan' | 'gre';
}

export const columns: readonly Column[] = [
  { name: 'local' },
  { name: 'remote, VXLAN', tunnel: 'vxlan' },
  { name: 'remote, GRE (eBPF)', tunnel: 'gre' },
];

/** Address behind each endpoint, reached by the route that it announces. */
export const destination = '10.99.0.1';
export const route = '10.99.0.0/24';
const service = 'ping';

/** A place for an endpoint: its pod and its process may go and come back. */
export interface Seat {
  readonly name: string;
  readonly node: MeshNode;
  /** TTL of its answers. */
  readonly ttl: number;
  pod: Pod | undefined;
  process: Running | undefined;
}

/** A client's connection. */
export interface Connected {
  readonly id: string;
  readonly client: Pod;
  /** Device in the client's pod. */
  readonly device: string;
  readonly address: string;
  /** Where it was connected to, and where else it could be. */
  readonly serving: Seat;
  readonly spare: Seat;
}

export class Stage implements AsyncDisposable {
  readonly column: Column;
  readonly mesh: Mesh;
  readonly seats: readonly Seat[];

  private constructor(column: Column, mesh: Mesh) {
    this.column = column;
    this.mesh = mesh;
    const nodes = column.tunnel ? mesh.nodes.slice(1) : [mesh.a, mesh.a];
    this.seats = nodes.map((node, index) => ({
      name: `endpoint-${index + 1}`,
      node,
      ttl: 100 + index,
      pod: undefined,
      process: undefined,
    }));
  }

  /** @param forwarders whether they are processes of their own. */
  static async start(
    column: Column,
    { forwarders = true, ...options }: Pick<MeshOptions, 'before'> & { readonly forwarders?: boolean } = {},
  ): Promise<Stage> {
    const mesh = await Mesh.start({
      ...options,
      // The test's own process asks on behalf of its pods.
      flags: ['--allow-uid', '0', ...(column.tunnel ? ['--tunnel', column.tunnel] : [])],
      switched: { nodes: column.tunnel ? 3 : 2, forwarders },
    });
    const stage = new Stage(column, mesh);
    try {
      await stage.tidy();
      return stage;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** The client's node. */
  get local(): MeshNode {
    return this.mesh.a;
  }

  /** Connects a new client. */
  async connect(): Promise<Connected> {
    const client = this.mesh.pod('client');
    const { connection, serving } = await this.#request(client);
    const spare = this.seats.find((seat) => seat !== serving);
    if (!spare) throw new Error(`there is no endpoint beside ${serving.name}`);
    const { connectionId, interfaceName, address } = connection;
    return { id: connectionId, client, device: interfaceName, address, serving, spare };
  }

  /** Asks for a client's connection, again if need be, or with another device name. Returns by whom it is served. @throws Error when refused */
  async request(client: Pod, deviceName?: string): Promise<Seat> {
    return (await this.#request(client, deviceName)).serving;
  }

  /** Closes a client's connection. @throws Error when refused */
  async close(client: Pod): Promise<void> {
    const { accepted, admissionError } = await this.local.clients.closeConnection({
      requestId: client.name,
      networkServiceName: service,
    });
    if (!accepted) throw new Error(admissionError);
  }

  /** Ends the processes of a seat by a signal. */
  async unseat(seat: Seat, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    seat.process?.child.kill(signal);
    await seat.process?.exited;
    seat.process = undefined;
  }

  /** Removes the pod of a seat; its endpoint is killed. */
  async removePod(seat: Seat): Promise<void> {
    if (seat.pod) this.mesh.removePod(seat.pod);
    seat.pod = undefined;
    await this.unseat(seat, 'SIGKILL');
  }

  /** Starts the endpoint of a seat where it is not running. */
  async occupy(seat: Seat): Promise<void> {
    if (seat.process) return;
    seat.pod ??= await this.#podOf(seat);
    seat.process = await this.mesh.endpoint(seat.node, {
      pod: seat.pod,
      name: seat.name,
      services: [service],
      flags: ['--route', route],
    });
  }

  /** A machine that was switched off; `occupy` and the node's `start` bring it back. */
  async switchOff(node: MeshNode): Promise<void> {
    const seats = this.seats.filter((seat) => seat.node === node);
    const pods = seats.flatMap(({ pod }) => pod ?? []);
    await Promise.all([...seats.map((seat) => this.unseat(seat, 'SIGKILL')), node.halt()]);
    await this.mesh.reboot(node, pods);
    for (const seat of seats) seat.pod = undefined;
  }

  /** Everything is there again, and no connection: what the next failure starts from. */
  async tidy(): Promise<void> {
    await this.restore();
    for (const node of this.mesh.nodes) await node.closeAll();
  }

  /** Everything is there again. */
  async restore(): Promise<void> {
    const { mesh } = this;
    await mesh.switch.heal();
    await mesh.setUnderlay('up');
    await mesh.registry?.revive();
    await Promise.all(mesh.nodes.map((node) => node.revive()));
    for (const node of mesh.nodes) await node.drain({ undo: true });
    await Promise.all(this.seats.map((seat) => this.occupy(seat)));
    await mesh.a.knows(...this.seats.map(({ name }) => `${service}/${name}`));
  }

  async stop(): Promise<void> {
    await this.mesh.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #podOf({ name, ttl }: Seat): Promise<Pod> {
    const pod = this.mesh.pod(name);
    await run(undefined, 'ip', ['-n', pod.name, 'address', 'add', `${destination}/32`, 'dev', 'lo']);
    await run(pod.name, 'sh', ['-c', `echo ${ttl} > /proc/sys/net/ipv4/ip_default_ttl`]);
    return pod;
  }

  async #request(
    client: Pod,
    name?: string,
  ): Promise<{ readonly connection: ConnectionParameters; readonly serving: Seat }> {
    const { accepted, admissionError, connectionParameters } = await this.local.clients.requestConnection({
      requestId: client.name,
      networkServiceName: service,
      linuxNamespace: client.netns,
      interface: [
        {
          type: InterfaceType.KERNEL_INTERFACE,
          ...(name ? { parameters: { interfaceParameters: { name } } } : {}),
        },
      ],
    });
    if (!accepted || !connectionParameters) throw new Error(admissionError);
    const { connectionId } = connectionParameters;
    const found = (await this.local.connections()).find(({ id }) => id === connectionId);
    const serving = this.seats.find(({ name }) => name === found?.nseProviderName);
    if (!serving) throw new Error(`${connectionId} is served by ${found?.nseProviderName}`);
    return { connection: connectionParameters, serving };
  }
}
