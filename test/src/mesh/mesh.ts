// A mesh of nodes made of real processes, for one suite: started, used, checked for what it leaves, and torn down.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EtcdProcess,
  leaks,
  makeNamespace,
  namePrefix,
  type Running,
  run,
  type TestNamespace,
  waitFor,
} from '@nsm/testkit';
import { Agent, type AgentOptions } from './agent.js';
import { MeshNode } from './mesh-node.js';
import { spawnNsm } from './nsm-command.js';
import { RegistryProcess } from './registry-process.js';
import { type CableKind, layCable, Switch, type UnderlayMember, underlayDevice } from './underlay.js';

export interface MeshOptions {
  /** Version of IP between the nodes. Default: 4. */
  readonly underlay?: 4 | 6;
  /** Bytes; default 1500. */
  readonly mtu?: number;
  /** Of which make the cable between two nodes is. Default: veth. */
  readonly cable?: CableKind;
  /** Flags for the managers of both nodes. */
  readonly flags?: readonly string[];
  /** More flags for the manager of one node, of which `dir` is the folder. */
  readonly flagsOf?: (node: { readonly dir: string }) => readonly string[];
  /** Put before the commands of managers, forwarders and the registry, such as `setpriv …`. */
  readonly before?: readonly string[];
  /**
   * More than the two nodes, and a registry, each in a process of its own: nodes hang on a switch, with the registry.
   * Default: two nodes at both ends of a cable, and the registry embedded in the first.
   */
  readonly switched?: {
    /** How many nodes. */
    readonly nodes: number;
    /** Whether forwarders are processes of their own: all, or those of some nodes. Default: false. */
    readonly forwarders?: boolean | readonly number[];
    /** The registry is an etcd of one member. Default: `nsm registry`. */
    readonly etcd?: boolean;
  };
}

/** A pod: a network namespace with `lo`, and what runs in it. */
export interface Pod {
  /** Under /run/netns. */
  readonly name: string;
  readonly inode: number;
  /** `net:[INODE]` */
  readonly netns: string;
  readonly namespace: TestNamespace;
}

/** Protocol of the mesh's own routes and rules. */
const meshProtocol = 78;

export interface EndpointSpec {
  readonly pod: Pod;
  readonly name: string;
  readonly services: readonly string[];
  readonly flags?: readonly string[];
  readonly before?: readonly string[];
}

export class Mesh implements AsyncDisposable {
  readonly a: MeshNode;
  readonly b: MeshNode;
  readonly nodes: readonly MeshNode[];
  /** Absent where it is embedded in the first manager, or an etcd. */
  readonly registry: RegistryProcess | undefined;
  /** The registry, where it is an etcd. */
  readonly etcd: EtcdProcess | undefined;
  /** Where the registry and the switch are. */
  readonly #middle: UnderlayMember | undefined;
  /** For sockets and the like; removed with the mesh. */
  readonly dir: string;
  readonly #mtu: number;
  readonly #cableKind: CableKind;
  #cable: Running | undefined;
  #switch: Switch | undefined;
  readonly #namespaces = new Set<TestNamespace>();
  readonly #pods = new Set<Pod>();
  readonly #agents: Agent[] = [];
  readonly #processes: Running[] = [];

  /** Makes namespaces and folders; `start` does the rest. */
  constructor({
    underlay = 4,
    mtu = 1500,
    cable = 'veth',
    flags = [],
    flagsOf,
    before,
    switched,
  }: MeshOptions = {}) {
    // Short: the path of a unix socket has 107 bytes.
    this.dir = mkdtempSync(join(tmpdir(), 'nsmt-'));
    this.#mtu = mtu;
    this.#cableKind = cable;
    const network = underlay === 4 ? '10.9.0.' : 'fd00:9::';
    if (switched) {
      const middle = { name: 'middle', namespace: this.#namespace('switch'), address: `${network}99` };
      this.#middle = middle;
      const { namespace, address } = middle;
      if (switched.etcd) {
        const place = { namespace: namespace.name, address, clientPort: 2379, peerPort: 2380 };
        this.etcd = new EtcdProcess('etcd', new Map([['etcd', place]]));
      } else
        this.registry = new RegistryProcess({
          namespace,
          address,
          dir: join(this.dir, 'registry'),
          ...(before ? { before } : {}),
        });
    }
    const forwarders = switched?.forwarders;
    const node = (index: number, registry: string): MeshNode => {
      const name = `node-${String.fromCharCode(97 + index)}`;
      const dir = join(this.dir, name);
      return new MeshNode({
        name,
        namespace: this.#namespace(name),
        address: `${network}${index + 1}`,
        dir,
        registry,
        flags: [...flags, ...(flagsOf?.({ dir }) ?? [])],
        ...(before ? { before } : {}),
        forwarder: Array.isArray(forwarders) ? forwarders.includes(index) : forwarders === true,
      });
    };
    const url = this.etcd ? `etcd://${this.etcd.member}` : this.registry?.url;
    this.a = node(0, url ?? 'embedded:');
    const others = Array.from({ length: (switched?.nodes ?? 2) - 1 }, (_, index) =>
      node(index + 1, url ?? `nsm://${this.a.tcp}`),
    );
    this.nodes = [this.a, ...others];
    this.b = others[0]!;
  }

  /** A mesh whose managers are ready; nothing is left of one that does not come up. */
  static start(options: MeshOptions = {}): Promise<Mesh> {
    return Mesh.#started(options, (mesh) => mesh.startManagers());
  }

  /** As `start`, and only the first node has a manager. */
  static startFirst(options: MeshOptions = {}): Promise<Mesh> {
    return Mesh.#started(options, (mesh) => mesh.a.start());
  }

  static async #started(options: MeshOptions, startManagers: (mesh: Mesh) => Promise<void>): Promise<Mesh> {
    const mesh = new Mesh(options);
    try {
      await mesh.joinNodes();
      await mesh.registry?.start();
      await mesh.etcd?.start();
      await startManagers(mesh);
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** Starts all at the same time; each knows the others then. */
  async startManagers(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()));
    const names = this.nodes.map(({ name }) => name);
    await Promise.all(this.nodes.map((node) => node.knowsManagers(names)));
  }

  get pods(): ReadonlySet<Pod> {
    return this.#pods;
  }

  /** Lays the cables between the nodes. */
  async joinNodes(): Promise<void> {
    if (!this.#middle) {
      this.#cable = await layCable(this.nodes, this.#mtu, this.#cableKind);
      return;
    }
    this.#switch = await Switch.make(this.#middle);
    for (const node of this.nodes) await this.#switch.plug(node, this.#mtu);
  }

  /** The switch between the nodes. @throws Error when they are joined by a cable */
  get switch(): Switch {
    if (!this.#switch) throw new Error('the nodes of this mesh are joined by a cable');
    return this.#switch;
  }

  /**
   * A machine that was switched off and on: processes, namespaces, devices and /run have gone; what is on its disk is
   * there. Removes `pods` with it; its manager is not started.
   */
  async reboot(node: MeshNode, pods: readonly Pod[]): Promise<void> {
    await node.halt();
    // By name and at once: the kernel takes its time over namespaces.
    await this.switch.unplug(node.name);
    for (const pod of pods) this.removePod(pod);
    this.#removeNamespace(node.namespace);
    rmSync(node.runDir, { recursive: true, force: true });
    node.namespace = this.#namespace(node.name);
    node.forgetBoot();
    await this.switch.plug(node, this.#mtu);
  }

  /** `ip link set underlay WORDS` on both nodes. */
  async setUnderlay(...words: readonly string[]): Promise<void> {
    for (const { namespace } of this.nodes)
      await run(undefined, 'ip', ['-n', namespace.name, 'link', 'set', underlayDevice, ...words]);
  }

  pod(label: string): Pod {
    const namespace = this.#namespace(label);
    const { ino: inode } = statSync(`/run/netns/${namespace.name}`);
    const pod: Pod = { name: namespace.name, inode, netns: `net:[${inode}]`, namespace };
    this.#pods.add(pod);
    return pod;
  }

  /** Deletes a pod's namespace; it lives on as long as processes are in it. */
  removePod(pod: Pod): void {
    this.#pods.delete(pod);
    this.#removeNamespace(pod.namespace);
  }

  async agent(pod: Pod | MeshNode, options: AgentOptions = {}): Promise<Agent> {
    const agent = await Agent.start(pod instanceof MeshNode ? pod.namespace.name : pod.name, options);
    this.#agents.push(agent);
    return agent;
  }

  /** Runs `nsm endpoint icmp-responder` in a pod and waits until it is advertised. */
  async endpoint(
    node: MeshNode,
    { pod, name, services, flags = [], before }: EndpointSpec,
  ): Promise<Running> {
    const args = ['endpoint', 'icmp-responder', '--name', name, '--run-dir', node.runDir, '--json', ...flags];
    for (const service of services) args.push('--service', service);
    return await this.spawn(pod.name, '"event":"advertised"', args, before ? { before } : {});
  }

  /** As `spawnNsm`, and ended with the mesh. */
  async spawn(...args: Parameters<typeof spawnNsm>): Promise<Running> {
    const running = await spawnNsm(...args);
    this.#processes.push(running);
    return running;
  }

  /**
   * What is left of connections, by the word of the managers that run and by the kernel's. Waits up to `timeout` ms until that is
   * nothing: releasing goes on for a moment after a refusal.
   */
  async remains(timeout = 10_000): Promise<string[]> {
    let found: string[] = [];
    const nothing = async (): Promise<boolean> => {
      // Whoever cannot look has not seen that nothing is there.
      found = await this.#remainsNow().catch((error: unknown) => [String(error)]);
      return found.length === 0;
    };
    return await waitFor(nothing, { timeout, interval: 50 }).then(
      () => [],
      () => found,
    );
  }

  /** As `remains`, and then closes it all, so that the next test finds nothing. */
  async sweep(timeout?: number): Promise<string[]> {
    const found = await this.remains(timeout);
    if (found.length > 0) for (const node of this.#managed) await node.closeAll();
    return found;
  }

  /**
   * For the last test of a suite: what is left of connections, errors logged but for `expected` ones; then stops, and what
   * is left then.
   */
  async finish(expected?: RegExp): Promise<string[]> {
    const found = await this.remains();
    for (const process of this.#processes) await process.stop();
    for (const node of this.#managed) {
      const status = await node.end('SIGTERM');
      if (status !== 0) found.push(`${node.name}: its manager ended with ${status}`);
    }
    for (const node of this.nodes) {
      const errors = node.errors().filter((line) => expected?.test(line) !== true);
      found.push(...errors.map((line) => `${node.name} logged ${line}`));
    }
    const { dir } = this;
    await this.stop();
    return [...found, ...leaks(), ...processesNaming(dir)];
  }

  /** Ends and removes everything. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.#agents.splice(0).map((agent) => agent.stop()));
    await Promise.all(this.#processes.splice(0).map((process) => process.stop()));
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.registry?.stop();
    await this.etcd?.stop();
    await this.#cable?.stop();
    for (const namespace of this.#namespaces) this.#removeNamespace(namespace);
    this.#pods.clear();
    rmSync(this.dir, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Nodes that have a manager now. */
  get #managed(): readonly MeshNode[] {
    return this.nodes.filter(({ hasManager }) => hasManager);
  }

  async #remainsNow(): Promise<string[]> {
    const connections = await Promise.all(
      this.#managed.map(async (node) =>
        (await node.connections()).map(({ id, state }) => `${node.name}: connection ${id} ${state}`),
      ),
    );
    const kernel = [...this.nodes, ...this.#pods].flatMap(({ namespace: { name, route } }) => [
      ...route
        .links()
        .filter(({ name: device }) => device !== 'lo' && device !== underlayDevice)
        .map(({ name: device }) => `${name}: device ${device}`),
      // Routes by a device go with it.
      ...route
        .routes({ table: 'all', protocol: meshProtocol })
        .map(({ destination, table }) => `${name}: route ${destination} in table ${table}`),
      ...route
        .rules()
        .filter(({ protocol }) => protocol === meshProtocol)
        .map(({ from, table }) => `${name}: rule from ${from} lookup ${table}`),
    ]);
    return [...connections.flat(), ...kernel];
  }

  #namespace(label: string): TestNamespace {
    const namespace = makeNamespace(label);
    this.#namespaces.add(namespace);
    return namespace;
  }

  #removeNamespace(namespace: TestNamespace): void {
    this.#namespaces.delete(namespace);
    namespace.remove();
  }
}

/** Processes, whoever started them, that have a folder of ours in their command line. */
const processesNaming = (dir: string): string[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(dir) || command.includes(namePrefix) ? [`process ${pid}: ${command}`] : [];
      } catch {
        return [];
      }
    });
