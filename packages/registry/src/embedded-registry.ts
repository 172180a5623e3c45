// `embedded:`: this process holds the records, in a durable file, and serves them to other managers.
import { join } from 'node:path';
import type { ServiceImplementation, registry as wire } from '@nsm/api';
import { CachedRegistry, type RegistryOptions } from './cached-registry.js';
import { RecordAuthority } from './record-authority.js';
import { RecordStore } from './record-store.js';
import { serveRecords } from './registry-service.js';
import type { WantedState } from './wanted-state.js';

export interface EmbeddedOptions extends RegistryOptions {
  /** Folder of `registry.mdb`; made if it is missing. Belongs to one process at a time. */
  readonly stateDir: string;
}

export class EmbeddedRegistry extends CachedRegistry {
  /** Add it to a Server, and other managers find this registry at `nsm://HOST:PORT` of that server. */
  readonly service: ServiceImplementation<typeof wire.Registry>;
  protected readonly wanted: WantedState;
  readonly #authority: RecordAuthority;
  readonly #stopped = new AbortController();

  constructor(options: EmbeddedOptions) {
    super('embedded:', options);
    const store = new RecordStore(join(options.stateDir, 'registry.mdb'), { logger: this.logger });
    this.#authority = new RecordAuthority(this.cache, store, this.clock, this.logger);
    this.service = serveRecords(this.#authority, this.cache, this.#stopped.signal);
    // The records are here: a write that fails now would fail in 3 s as well.
    this.wanted = this.wantedThrough(this.#authority, 0);
  }

  /** @throws NsmError `registry` when the file cannot be opened. */
  async start(): Promise<void> {
    this.#authority.start();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.wanted.stop();
    await this.#authority.stop();
  }
}
