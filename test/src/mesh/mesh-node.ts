// One node of a mesh under test: its namespace, its folders, its manager and, where wanted, its forwarder process.
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { admin, Channel, connect, type ServiceClient, tunnelNames } from '@nsm/api';
import { type Running, type TestNamespace, waitFor } from '@nsm/testkit';
import { spawnNsm } from './nsm-command.js';

/** TCP port of every manager under test. */
export const managerPort = 5001;

export interface NodeOptions {
  readonly name: string;
  readonly namespace: TestNamespace;
  /** Underlay address. */
  readonly address: string;
  /** Folder for everything of this node. */
  readonly dir: string;
  readonly registry: string;
  /** More flags for `nsm manager`. */
  readonly flags: readonly string[];
  /** Put before the commands of its manager and forwarder. */
  readonly before?: readonly string[];
  /** Its forwarder is a process of its own. Default: false. */
  readonly forwarder?: boolean;
}

export class MeshNode {
  readonly name: string;
  /** Another one after a reboot. */
  namespace: TestNamespace;
  readonly address: string;
  /** Folder of everything it has. */
  readonly dir: string;
  readonly runDir: string;
  readonly stateDir: string;
  /** HOST:PORT of the manager. */
  readonly tcp: string;
  readonly #options: NodeOptions;
  /** Asks as clients do; for pods of which the test is not a process the manager needs `--allow-uid 0`. */
  readonly clients: ServiceClient<typeof connect.ClientConnection>;
  readonly #channel: Channel;
  readonly #clientChannel: Channel;
  #manager: Running | undefined;
  #forwarder: Running | undefined;
  #earlierOutput = '';

  constructor(options: NodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.namespace = options.namespace;
    this.address = options.address;
    this.dir = options.dir;
    this.runDir = join(options.dir, 'run');
    this.stateDir = join(options.dir, 'state');
    this.tcp = `${isIPv6(options.address) ? `[${options.address}]` : options.address}:${managerPort}`;
    mkdirSync(options.dir, { recursive: true });
    this.#channel = new Channel(`unix:${this.runDir}/admin.sock`);
    this.#clientChannel = new Channel(`unix:${this.runDir}/client.sock`);
    this.clients = this.#clientChannel.client(connect.ClientConnection);
  }

  /** Where an agent of root speaks to it as a peer manager does: with a certificate. */
  get mtls(): string {
    return `mtls:${this.tcp}`;
  }

  /** The manager's process; throws while there is none. */
  get manager(): Running {
    if (!this.#manager) throw new Error(`${this.name} has no manager`);
    return this.#manager;
  }

  get hasManager(): boolean {
    return this.#manager !== undefined;
  }

  /** The forwarder's process; throws while there is none. */
  get forwarder(): Running {
    if (!this.#forwarder) throw new Error(`${this.name} has no forwarder of its own`);
    return this.#forwarder;
  }

  /** Everything its managers have printed. */
  get log(): string {
    return this.#earlierOutput + (this.#manager?.output() ?? '');
  }

  /** Lines of its log at level error or fatal: none of them may come from bad input alone. */
  errors(): string[] {
    return this.log.split('\n').filter((line) => /^\{"level":[56]0,/.test(line));
  }

  /**
   * Starts `nsm manager` and waits until it is ready; the forwarder before it, where that is a process and away.
   * @param tcp HOST:PORT where it listens and is found. Default: that of the node's underlay address.
   */
  async start(tcp: string = this.tcp): Promise<void> {
    const { registry, flags, before = [], forwarder = false } = this.#options;
    if (forwarder && !this.#forwarder) await this.startForwarder();
    const args = ['manager', '--name', this.name, '--run-dir', this.runDir, '--state-dir', this.stateDir];
    args.push('--listen', tcp, '--advertise', tcp, '--registry', registry, ...flags);
    if (forwarder) args.push('--forwarder', 'external');
    this.#manager = await spawnNsm(this.namespace.name, '"msg":"ready"', args, { before });
  }

  /** Starts `nsm forwarder`; a manager that is there already has found it when this returns. */
  async startForwarder(): Promise<void> {
    const args = ['forwarder', '--run-dir', this.runDir];
    const { before = [] } = this.#options;
    this.#forwarder = await spawnNsm(this.namespace.name, '"msg":"ready"', args, { before });
    if (!this.#manager) return;
    const client = this.#channel.client(admin.Admin);
    const found = async (): Promise<boolean> =>
      (await client.getManager({}, { timeoutMs: 1_000 })).forwarderError === '';
    await waitFor(found, {
      what: `${this.name} finding its forwarder`,
    });
  }

  /** Ends the forwarder's process by a signal and waits until it is gone. */
  async endForwarder(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { child, exited } = this.forwarder;
    child.kill(signal);
    await exited;
    this.#forwarder = undefined;
  }

  /** Ends everything at once by SIGKILL. */
  async halt(): Promise<void> {
    await Promise.all([
      this.#forwarder ? this.endForwarder('SIGKILL') : undefined,
      this.#manager ? this.end('SIGKILL') : undefined,
    ]);
  }

  /** Ends the manager by a signal and waits until it is gone. Returns its exit status. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string> {
    const { child, exited, output } = this.manager;
    child.kill(signal);
    const ended = await exited;
    this.#earlierOutput += output();
    this.#manager = undefined;
    return ended;
  }

  /** Its store comes from a former life of the machine: the kernel's boot id cannot be changed, but the files' names can. */
  forgetBoot(): void {
    for (const name of readdirSync(this.stateDir)) {
      const kind = /^(connections|endpoints)\..*\.records$/.exec(name)?.[1];
      if (kind) renameSync(join(this.stateDir, name), join(this.stateDir, `${kind}.another.records`));
    }
  }

  /** Starts what a test has ended and not started again. */
  async revive(): Promise<void> {
    if (this.#options.forwarder && !this.#forwarder) await this.startForwarder();
    if (!this.#manager) await this.start();
  }

  /** A manager that is killed and comes back. */
  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.end(signal);
    await this.start();
  }

  async connections(): Promise<admin.Connection[]> {
    const client = this.#channel.client(admin.Admin);
    return (await client.listConnections({}, { timeoutMs: 5_000 })).connections;
  }

  /** Kinds of tunnel that nothing here carries, and why. */
  async missingTunnels(): Promise<ReadonlyMap<string, string>> {
    const client = this.#channel.client(admin.Admin);
    const { capabilities } = await client.listTunnels({}, { timeoutMs: 5_000 });
    const carried = new Set(capabilities.filter(({ missing }) => missing === '').map(({ type }) => type));
    const lacking = capabilities.filter(({ type }) => !carried.has(type));
    return new Map(lacking.map(({ type, missing }) => [tunnelNames[type] ?? '', missing]));
  }

  /** Closes every connection as an operator does: so that one failed test does not make others fail. */
  async closeAll(): Promise<void> {
    const client = this.#channel.client(admin.Admin);
    for (const { id } of await this.connections())
      await client.closeConnection({ id }, { timeoutMs: 10_000 });
  }

  /** Takes its endpoints out of service, or puts them back into it. */
  async drain({ undo = false }: { readonly undo?: boolean } = {}): Promise<admin.DrainReply> {
    return await this.#channel.client(admin.Admin).drain({ undo }, { timeoutMs: 15_000 });
  }

  /** Names of the endpoints that this manager knows of. */
  async endpoints(): Promise<string[]> {
    const client = this.#channel.client(admin.Admin);
    const { endpoints } = await client.listEndpoints({}, { timeoutMs: 5_000 });
    return endpoints.map(({ endpoint }) => `${endpoint?.networkServiceName}/${endpoint?.nseProviderName}`);
  }

  /** Waits until this manager knows an endpoint, on whatever node. */
  async knows(...endpoints: readonly string[]): Promise<void> {
    await waitFor(
      async () => {
        const known = await this.endpoints();
        return endpoints.every((endpoint) => known.includes(endpoint));
      },
      { what: `${this.name} knowing ${endpoints.join(', ')}` },
    );
  }

  /** Waits until this manager knows others as alive. */
  async knowsManagers(names: readonly string[]): Promise<void> {
    const client = this.#channel.client(admin.Admin);
    await waitFor(
      async () => {
        const { managers } = await client.listManagers({}, { timeoutMs: 5_000 });
        return names.every((name) => managers.some((one) => one.name === name && one.alive));
      },
      { what: `${this.name} knowing ${names.join(', ')}` },
    );
  }

  /** Waits until the registry answers this manager, or does not any more. */
  async hearsRegistry(hears: boolean): Promise<void> {
    const client = this.#channel.client(admin.Admin);
    const so = async (): Promise<boolean> =>
      (await client.getManager({}, { timeoutMs: 5_000 })).registrySynced === hears;
    await waitFor(so, { what: `${this.name} ${hears ? 'hearing' : 'missing'} its registry` });
  }

  async stop(): Promise<void> {
    this.#channel.close();
    this.#clientChannel.close();
    await this.#manager?.stop();
    this.#manager = undefined;
    await this.#forwarder?.stop();
    this.#forwarder = undefined;
  }
}
