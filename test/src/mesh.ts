// A mesh of two nodes made of real processes, for one suite: started, used, checked for what it leaves, and torn down.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ipJson,
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
import { nsmJson, spawnNsm } from './nsm-command.js';

/** Device that joins the two nodes, in both. */
export const underlayDevice = 'underlay';

export interface MeshOptions {
  /** Version of IP between the nodes. Default: 4. */
  readonly underlay?: 4 | 6;
  /** Bytes; default 1500. */
  readonly mtu?: number;
  /** Flags for the managers of both nodes. */
  readonly flags?: readonly string[];
  /** More flags for the manager of one node, of which `dir` is the folder. */
  readonly flagsOf?: (node: { readonly dir: string }) => readonly string[];
  /** Put before the command of the managers, such as `setpriv …`. */
  readonly before?: readonly string[];
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
  /** For sockets and the like; removed with the mesh. */
  readonly dir: string;
  readonly #namespaces: TestNamespace[] = [];
  readonly #pods = new Set<Pod>();
  readonly #agents: Agent[] = [];
  readonly #processes: Running[] = [];

  /** Makes namespaces and folders; `start` does the rest. */
  constructor({ underlay = 4, flags = [], flagsOf, before }: MeshOptions = {}) {
    // Short: the path of a unix socket has 107 bytes.
    this.dir = mkdtempSync(join(tmpdir(), 'nsmt-'));
    const [first, second] = underlay === 4 ? ['10.9.0.1', '10.9.0.2'] : ['fd00:9::1', 'fd00:9::2'];
    const node = (name: string, address: string, registry: string): MeshNode => {
      const dir = join(this.dir, name);
      return new MeshNode({
        name,
        namespace: this.#namespace(name),
        address,
        dir,
        registry,
        flags: [...flags, ...(flagsOf?.({ dir }) ?? [])],
        ...(before ? { before } : {}),
      });
    };
    this.a = node('node-a', first, 'embedded:');
    this.b = node('node-b', second, `nsm://${this.a.tcp}`);
  }

  /** A mesh whose managers are ready; nothing is left of one that does not come up. */
  static async start(options: MeshOptions = {}): Promise<Mesh> {
    const mesh = new Mesh(options);
    try {
      await mesh.joinNodes(options.mtu ?? 1500);
      await mesh.a.start();
      await mesh.b.start();
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  get nodes(): readonly MeshNode[] {
    return [this.a, this.b];
  }

  /** Lays the cable between the nodes. */
  async joinNodes(mtu: number): Promise<void> {
    const [a, b] = [this.a.namespace.name, this.b.namespace.name];
    const peer = ['peer', 'name', underlayDevice, 'netns', b];
    await run(undefined, 'ip', ['link', 'add', underlayDevice, 'netns', a, 'type', 'veth', ...peer]);
    for (const { namespace, address } of this.nodes) {
      const prefix = address.includes(':') ? [`${address}/64`, 'nodad'] : [`${address}/24`];
      await run(undefined, 'ip', ['-n', namespace.name, 'address', 'add', ...prefix, 'dev', underlayDevice]);
    }
    await this.setUnderlay('mtu', String(mtu), 'up');
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
    pod.namespace.remove();
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
   * What is left of connections, by the managers' word and by the kernel's. Waits up to `timeout` ms until that is
   * nothing: releasing goes on for a moment after a refusal.
   */
  async remains(timeout = 3_000): Promise<string[]> {
    let found: string[] = [];
    const nothing = async (): Promise<boolean> => {
      found = await this.#remainsNow();
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
    if (found.length > 0) for (const node of this.nodes) await node.closeAll();
    return found;
  }

  /**
   * For the last test of a suite: what is left of connections, errors logged but for `expected` ones; then stops, and what
   * is left then.
   */
  async finish(expected?: RegExp): Promise<string[]> {
    const found = await this.remains();
    for (const node of this.nodes) {
      const connections = await nsmJson<object[]>('get', 'connections', '--run-dir', node.runDir);
      found.push(...connections.map((connection) => `${node.name}: ${JSON.stringify(connection)}`));
    }
    for (const process of this.#processes) await process.stop();
    for (const node of this.nodes) {
      const status = await node.end('SIGTERM');
      if (status !== 0) found.push(`${node.name}: its manager ended with ${status}`);
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
    for (const namespace of this.#namespaces.splice(0)) namespace.remove();
    this.#pods.clear();
    rmSync(this.dir, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #remainsNow(): Promise<string[]> {
    const connections = await Promise.all(
      this.nodes.map(async (node) =>
        (await node.connections()).map(({ id, state }) => `${node.name}: connection ${id} ${state}`),
      ),
    );
    const names = [
      ...this.nodes.map(({ namespace }) => namespace.name),
      ...[...this.#pods].map(({ name }) => name),
    ];
    const links = await Promise.all(
      names.map(async (name) =>
        (await ipJson(name, ['link']))
          .map(({ ifname }) => String(ifname))
          .filter((device) => device !== 'lo' && device !== underlayDevice)
          .map((device) => `${name}: device ${device}`),
      ),
    );
    return [...connections, ...links].flat();
  }

  #namespace(label: string): TestNamespace {
    const namespace = makeNamespace(label);
    this.#namespaces.push(namespace);
    return namespace;
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
