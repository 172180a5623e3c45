// The connections of this manager: in memory, in the store, and told to whoever watches.
import type { NetworkServiceEndpoint } from '@nsm/api';
import type { Connection, ConnectionState } from './connection.js';
import type { Store } from './store.js';

export type ConnectionChange =
  | { readonly kind: 'present' | 'changed'; readonly connection: Connection }
  | { readonly kind: 'removed'; readonly connection: Connection; readonly reason: string }
  | { readonly kind: 'synced' };

/** A watcher that is this many changes behind is cut off, and may watch again from the start. */
const maxBacklog = 4096;

export class ConnectionTable {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #byId = new Map<string, Connection>();
  readonly #byKey = new Map<string, Connection>();
  readonly #perEndpoint = new Map<string, number>();
  readonly #listeners = new Set<(change: ConnectionChange) => void>();

  /** @param now milliseconds since the Unix epoch. */
  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  get size(): number {
    return this.#byId.size;
  }

  values(): IterableIterator<Connection> {
    return this.#byId.values();
  }

  byId(id: string): Connection | undefined {
    return this.#byId.get(id);
  }

  byKey(key: string): Connection | undefined {
    return this.#byKey.get(key);
  }

  /** Connections of this node to an endpoint. */
  countOf(endpoint: NetworkServiceEndpoint): number {
    return (
      this.#perEndpoint.get(
        counter(endpoint.networkServiceName, endpoint.nseProviderName, endpoint.nseProviderNamespace),
      ) ?? 0
    );
  }

  /** Adds or replaces a connection; resolves when it would survive the death of this process. */
  async put(connection: Connection): Promise<void> {
    const before = this.#byId.get(connection.id);
    if (!before) this.#count(connection, 1);
    this.#byId.set(connection.id, connection);
    const holder = this.#byKey.get(connection.key);
    if (!holder || holder.generation <= connection.generation) this.#byKey.set(connection.key, connection);
    this.#tell({ kind: before ? 'changed' : 'present', connection });
    await this.#store.putConnection(connection);
  }

  async changeState(connection: Connection, state: ConnectionState): Promise<Connection> {
    const changed: Connection = { ...connection, state, since: this.#now() };
    await this.put(changed);
    return changed;
  }

  async remove(connection: Connection, reason: string): Promise<void> {
    if (!this.#byId.delete(connection.id)) return;
    this.#count(connection, -1);
    if (this.#byKey.get(connection.key)?.id === connection.id) {
      this.#byKey.delete(connection.key);
      const older = [...this.#byId.values()].find(({ key }) => key === connection.key);
      if (older) this.#byKey.set(older.key, older);
    }
    this.#tell({ kind: 'removed', connection, reason });
    await this.#store.removeConnection(connection.id);
  }

  /** First the connections that exist, then `synced`, then every change, until the signal aborts. */
  async *watch(signal: AbortSignal): AsyncGenerator<ConnectionChange> {
    const queue: ConnectionChange[] = [...this.#byId.values()].map((connection) => ({
      kind: 'present',
      connection,
    }));
    queue.push({ kind: 'synced' });
    let wake = (): void => undefined;
    const listener = (change: ConnectionChange): void => {
      queue.push(change);
      wake();
    };
    signal.addEventListener('abort', () => wake(), { once: true });
    this.#listeners.add(listener);
    try {
      while (!signal.aborted && queue.length <= maxBacklog + this.#byId.size) {
        const change = queue.shift();
        if (change) yield change;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }

  #tell(change: ConnectionChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  #count({ service, endpoint }: Connection, by: 1 | -1): void {
    const key = counter(service, endpoint.name, endpoint.namespace);
    const count = (this.#perEndpoint.get(key) ?? 0) + by;
    if (count === 0) this.#perEndpoint.delete(key);
    else this.#perEndpoint.set(key, count);
  }
}

function counter(service: string, name: string, namespace: string): string {
  return `${service}/${namespace || 'default'}/${name}`;
}
