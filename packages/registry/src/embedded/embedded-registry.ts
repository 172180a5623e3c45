// `embedded:`: this process holds the records, in a durable file, and serves them to other managers.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceImplementation, registry as wire } from '@nsm/api';
import { CachedRegistry, type RegistryOptions } from '../following/cached-registry.js';
import type { WantedState } from '../following/wanted-state.js';
import { RecordAuthority } from './record-authority.js';
import { serveRecords } from './registry-service.js';

export interface EmbeddedOptions extends RegistryOptions {
  /** Folder of `registry.records`; made if it is missing. Belongs to one process at a time. */
  readonly stateDir: string;
  /** Events that may wait for a watcher, which is cut off when there are more. Default: 16384. */
  readonly maxBacklog?: number;
}

export class EmbeddedRegistry extends CachedRegistry {
  /** Add it to a Server, and other managers find this registry at `nsm://HOST:PORT` of that server. */
  readonly service: ServiceImplementation<typeof wire.Registry>;
  protected readonly wanted: WantedState;
  readonly #stateDir: string;
  readonly #authority: RecordAuthority;
  readonly #stopped = new AbortController();

  constructor(options: EmbeddedOptions) {
    super('embedded:', options);
    this.#stateDir = options.stateDir;
    const path = join(options.stateDir, 'registry.records');
    this.#authority = new RecordAuthority(this.cache, path, this.clock, this.logger);
    this.service = serveRecords(this.#authority, this.cache, this.#stopped.signal, options.maxBacklog);
    // The records are here: a write that fails now would fail later as well.
    this.wanted = this.wantedThrough(this.#authority, 0);
  }

  /** @throws NsmError `conflict` when a later version wrote the file, `disk` or `internal` when it cannot be opened. */
  async start(): Promise<void> {
    mkdirSync(this.#stateDir, { recursive: true, mode: 0o700 });
    this.#authority.start();
    // Of a version that kept them in a database: who wants something registered registers it again.
    for (const name of ['registry.mdb', 'registry.mdb-lock', 'registry.mdb.closed', 'registry.mdb.checked'])
      rmSync(join(this.#stateDir, name), { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.wanted.stop();
    await this.#authority.stop();
  }
}
