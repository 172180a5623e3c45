// A registry server for tests: an embedded registry on a TCP port, that can stop, come back, and forget.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, registry as wire } from '@nsm/api';
import { type EmbeddedOptions, EmbeddedRegistry } from '../embedded/embedded-registry.js';
import { ManualClock } from './manual-clock.js';

export class RegistryFixture {
  readonly stateDir: string = mkdtempSync(join(tmpdir(), 'nsm-registry-'));
  readonly clock: ManualClock = new ManualClock();
  readonly #options: Pick<EmbeddedOptions, 'maxBacklog'>;
  #port = 0;
  #running: { readonly registry: EmbeddedRegistry; readonly server: Server } | undefined;

  constructor(options: Pick<EmbeddedOptions, 'maxBacklog'> = {}) {
    this.#options = options;
  }

  /** Serves on the same port each time. */
  async start(): Promise<EmbeddedRegistry> {
    const registry = new EmbeddedRegistry({ ...this.#options, stateDir: this.stateDir, clock: this.clock });
    await registry.start();
    const server = new Server().add(wire.Registry, registry.service);
    this.#port = await server.listenTcp(`127.0.0.1:${this.#port}`);
    this.#running = { registry, server };
    return registry;
  }

  async stop(): Promise<void> {
    await this.#running?.server.stop();
    await this.#running?.registry.stop();
    this.#running = undefined;
  }

  get url(): string {
    return `nsm://127.0.0.1:${this.#port}`;
  }

  loseStore(): void {
    rmSync(this.stateDir, { recursive: true });
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.stateDir, { recursive: true, force: true });
  }
}
