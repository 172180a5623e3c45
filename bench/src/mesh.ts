// The mesh that is measured: two nodes, an endpoint on each, client pods on the first, and the bare processes beside them.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { admin, Channel } from '@nsm/api';
import { waitFor } from '@nsm/testkit';
import type { BareEndpointOptions } from './bare/bare-endpoint.js';
import type { BareManagerOptions } from './bare/bare-manager.js';
import { type Cleanup, folderPrefix } from './cleanup.js';
import { makePod, type Place, type Pod, thisMachine } from './pod.js';
import { Program } from './program.js';

/** Path of the command. */
export const nsm: string = fileURLToPath(new URL('../../packages/cli/bin/nsm.js', import.meta.url));
const bare = fileURLToPath(new URL('./bare/bare-main.js', import.meta.url));
/** Node.js flags by which a command can be asked for its memory and ends with the benchmark. */
const preloaded = ['--import', new URL('./probe.js', import.meta.url).href];

/** The underlay: TEST-NET-3 (RFC 5737), which nothing else on the machine uses. */
const address = { a: '203.0.113.1', b: '203.0.113.2' } as const;
/** The network services; each has one endpoint. */
export const services = { local: 'bench-local', remote: 'bench-remote' } as const;
/** Name of the network service whose connections go over one kind of tunnel. */
export const tunnelService = (tunnel: string): string => `bench-${tunnel}`;
export type Kind = keyof typeof services;
export type NodeName = 'a' | 'b';

export class Mesh {
  readonly folder: string = mkdtempSync(folderPrefix);
  readonly pods: readonly Pod[];
  readonly nodes: Readonly<Record<NodeName, Pod>>;
  readonly endpoints: Readonly<Record<NodeName, Pod>>;
  /** Two pods that no manager knows, for the bare wires. */
  readonly wires: Readonly<Record<NodeName, Pod>>;
  readonly #cleanup: Cleanup;
  readonly #profile: string | undefined;
  readonly #programs: Program[] = [];

  constructor(pods: number, cleanup: Cleanup, profile: string | undefined) {
    this.#cleanup = cleanup;
    this.#profile = profile;
    cleanup.add(() => rmSync(this.folder, { recursive: true, force: true }));
    const pair = (label: string) => ({
      a: makePod(`${label}-a`, cleanup),
      b: makePod(`${label}-b`, cleanup),
    });
    this.nodes = pair('node');
    this.endpoints = pair('endpoint');
    this.wires = pair('wire');
    this.pods = Array.from({ length: pods }, (_, n) => makePod(`pod-${n}`, cleanup));
    const { a, b } = this.nodes;
    a.route.addLink({ kind: 'veth', name: 'uplink', peer: { name: 'uplink', namespace: b.namespace } });
    for (const name of ['a', 'b'] as const) {
      const { route } = this.nodes[name];
      const { index = 0 } = route.link('uplink') ?? {};
      route.addAddress(index, { address: `${address[name]}/24`, nodad: true });
      route.setLink(index, { up: true });
    }
  }

  get underlay(): typeof address {
    return address;
  }

  runDir(label: string): string {
    return join(this.folder, label);
  }

  /** Of the authority of all managers. */
  get pkiDir(): string {
    return join(this.folder, 'pki');
  }

  /**
   * Starts a manager as an operator would, but for a preloaded probe.
   * @param label its name, and that of its folder.
   * @param node or undefined for this machine's own network.
   * @param registry of another manager; '' for one of its own.
   * @param more flags.
   */
  async startManager(
    label: string,
    node: NodeName | undefined,
    port: number,
    registry: string,
    more: readonly string[] = [],
  ): Promise<Program> {
    const at = `${node ? address[node] : '127.0.0.1'}:${port}`;
    const flags = [
      '--name',
      label,
      '--run-dir',
      this.runDir(label),
      '--state-dir',
      join(this.folder, `${label}-state`),
      '--pki-dir',
      this.pkiDir,
    ];
    const profile = this.#profile ? ['--cpu-prof', '--cpu-prof-dir', this.#profile] : [];
    const program = this.#start({
      pod: node ? this.nodes[node] : thisMachine,
      name: label,
      nodeFlags: ['--expose-gc', ...preloaded, ...profile],
      script: nsm,
      // One process speaks for many pods, as a node agent does; requests take the same path as from inside a pod.
      args: [
        'manager',
        ...flags,
        ...more,
        '--listen',
        at,
        '--advertise',
        at,
        '--registry',
        registry || 'embedded:',
        '--allow-uid',
        '0',
      ],
    });
    await waitFor(
      async () => {
        this.check();
        using channel = new Channel(`unix:${join(this.runDir(label), 'admin.sock')}`);
        return await channel.client(admin.Admin).getManager({}, { timeoutMs: 1000 });
      },
      { timeout: 20_000, what: `${label} ready` },
    );
    return program;
  }

  /** Starts `nsm registry` in node a, and waits until it listens. */
  async startRegistry(label: string, listen: string): Promise<Program> {
    const folders = ['--state-dir', join(this.folder, label), '--pki-dir', this.pkiDir];
    const program = this.#start({
      pod: this.nodes.a,
      name: label,
      script: nsm,
      args: ['registry', '--listen', listen, ...folders],
    });
    await waitFor(() => program.log().includes('"ready"'), { timeout: 20_000, what: `${label} ready` });
    return program;
  }

  /** Starts a program of the benchmark's own, which is told `options`. */
  start(pod: Place, name: string, script: string, options: object): Program {
    return this.#start({ pod, name, script, args: [JSON.stringify(options)] });
  }

  async startEndpoint(label: string, manager: string, node: NodeName, service: string): Promise<Program> {
    const args = [
      'endpoint',
      'icmp-responder',
      '--service',
      service,
      '--name',
      label,
      '--run-dir',
      this.runDir(manager),
    ];
    const program = this.#start({
      pod: this.endpoints[node],
      name: label,
      nodeFlags: preloaded,
      script: nsm,
      args,
    });
    await this.waitForService(manager, service);
    return program;
  }

  /** Until a manager's copy of the registry has an endpoint of the service. */
  async waitForService(manager: string, service: string): Promise<void> {
    using channel = new Channel(`unix:${join(this.runDir(manager), 'admin.sock')}`);
    const client = channel.client(admin.Admin);
    await waitFor(
      async () => {
        this.check();
        const { services: known } = await client.listServices({}, { timeoutMs: 1000 });
        return known.some(({ name }) => name === service);
      },
      { timeout: 20_000, what: `${service} known to ${manager}` },
    );
  }

  async startBareManager(label: string, node: NodeName, options: BareManagerOptions): Promise<void> {
    await this.#startBare(label, this.nodes[node], 'manager', options);
  }

  async startBareEndpoint(label: string, node: NodeName, options: BareEndpointOptions): Promise<void> {
    await this.#startBare(label, this.endpoints[node], 'endpoint', options);
  }

  /** @throws Error when a program has died. */
  check(): void {
    for (const program of this.#programs) {
      const obituary = program.obituary();
      if (obituary !== undefined) throw new Error(obituary);
    }
  }

  /** Ends every program; the last started first. */
  async stop(): Promise<void> {
    for (const program of this.#programs.splice(0).reverse()) await program.stop();
  }

  async #startBare(label: string, pod: Pod, role: string, options: object): Promise<void> {
    const program = this.#start({ pod, name: label, script: bare, args: [role, JSON.stringify(options)] });
    await program.ready();
  }

  #start(options: Omit<ConstructorParameters<typeof Program>[0], 'folder'>): Program {
    const program = new Program({ ...options, folder: this.folder }, this.#cleanup);
    this.#programs.push(program);
    return program;
  }
}
