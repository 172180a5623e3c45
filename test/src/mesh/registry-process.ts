// The registry of a mesh under test as a process of its own, on the switch between the nodes.
import { mkdirSync, rmSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import type { Running, TestNamespace } from '@nsm/testkit';
import { spawnNsm } from './nsm-command.js';

export class RegistryProcess {
  readonly name = 'registry';
  readonly namespace: TestNamespace;
  readonly address: string;
  readonly url: string;
  readonly #listen: string;
  readonly #stateDir: string;
  readonly #before: readonly string[];
  #process: Running | undefined;

  constructor(options: {
    readonly namespace: TestNamespace;
    readonly address: string;
    readonly dir: string;
    /** Put before its command. */
    readonly before?: readonly string[];
  }) {
    this.namespace = options.namespace;
    this.address = options.address;
    this.#stateDir = options.dir;
    this.#before = options.before ?? [];
    this.#listen = `${isIPv6(options.address) ? `[${options.address}]` : options.address}:5000`;
    this.url = `nsm://${this.#listen}`;
    mkdirSync(options.dir, { recursive: true });
  }

  /** Of its process; throws while there is none. */
  get pid(): number {
    if (!this.#process) throw new Error('the registry is not running');
    return this.#process.pid;
  }

  /** Everything it has printed. */
  get log(): string {
    return this.#process?.output() ?? '';
  }

  async start(): Promise<void> {
    const args = ['registry', '--listen', this.#listen, '--state-dir', this.#stateDir];
    this.#process = await spawnNsm(this.namespace.name, '"msg":"ready"', args, {
      before: this.#before,
    });
  }

  /** Ends it by SIGKILL and waits until it is gone. */
  async kill(): Promise<void> {
    this.#process?.child.kill('SIGKILL');
    await this.#process?.exited;
    this.#process = undefined;
  }

  /** Removes its store; to be called while it is away. */
  loseStore(): void {
    rmSync(this.#stateDir, { recursive: true });
  }

  /** Starts it where a test has ended it. */
  async revive(): Promise<void> {
    if (!this.#process) await this.start();
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }
}
