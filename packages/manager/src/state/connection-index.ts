// Connections by something that several may have in common.
import type { Connection } from './connection.js';

export class ConnectionIndex {
  readonly #keyOf: (connection: Connection) => string | undefined;
  readonly #byKey = new Map<string, Map<string, Connection>>();

  /** @param keyOf undefined for a connection that is not to be found here. */
  constructor(keyOf: (connection: Connection) => string | undefined) {
    this.#keyOf = keyOf;
  }

  add(connection: Connection): void {
    const key = this.#keyOf(connection);
    if (key === undefined) return;
    const present = this.#byKey.get(key);
    if (present) present.set(connection.id, connection);
    else this.#byKey.set(key, new Map([[connection.id, connection]]));
  }

  delete(connection: Connection): void {
    const key = this.#keyOf(connection);
    const present = key === undefined ? undefined : this.#byKey.get(key);
    if (present?.delete(connection.id) && present.size === 0) this.#byKey.delete(key ?? '');
  }

  of(key: string): Connection[] {
    return [...(this.#byKey.get(key)?.values() ?? [])];
  }

  countOf(key: string): number {
    return this.#byKey.get(key)?.size ?? 0;
  }
}
