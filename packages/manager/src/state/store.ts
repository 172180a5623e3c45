// What a manager must still know after a restart: its connections and the endpoints advertised to it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Connection } from './connection.js';

/**
 * A commit is safe against the death of the process when its promise resolves, and is flushed to disk soon after:
 * if the whole machine dies, the kernel's half of every connection dies with it.
 */
export class Store {
  readonly #root: RootDatabase;
  readonly #connections: Database<Connection, string>;
  readonly #endpoints: Database<NetworkServiceEndpoint, string>;

  /** @throws NsmError `internal` when the folder cannot be written. */
  constructor(stateDir: string) {
    const path = join(stateDir, 'manager.mdb');
    try {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 });
      this.#root = open({ path, overlappingSync: true, maxDbs: 4 });
      this.#connections = this.#root.openDB<Connection, string>({ name: 'connections' });
      this.#endpoints = this.#root.openDB<NetworkServiceEndpoint, string>({ name: 'endpoints' });
    } catch (error) {
      throw new NsmError(
        'internal',
        `cannot open the store ${path}: ${NsmError.from(error).message}; check --state-dir`,
        error,
      );
    }
  }

  connections(): Connection[] {
    return [...this.#connections.getRange().map(({ value }) => value)];
  }

  async putConnection(connection: Connection): Promise<void> {
    await this.#connections.put(connection.id, connection);
  }

  async removeConnection(id: string): Promise<void> {
    await this.#connections.remove(id);
  }

  endpoints(): NetworkServiceEndpoint[] {
    return [...this.#endpoints.getRange().map(({ value }) => value)];
  }

  async putEndpoint(key: string, endpoint: NetworkServiceEndpoint): Promise<void> {
    await this.#endpoints.put(key, endpoint);
  }

  async removeEndpoint(key: string): Promise<void> {
    await this.#endpoints.remove(key);
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}
