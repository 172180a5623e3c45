// The connections of this manager: in memory, in the store, and told to whoever watches.
import { Backlog, type NamespaceIdentity, type NetworkServiceEndpoint } from '@nsm/api';
import {
  type Connection,
  clientKeyOf,
  detailOf,
  isHealing,
  namespaceOfOwner,
  type OperatorState,
  type Owner,
  servedAsOf,
  stateOf,
} from './connection.js';
import { identityOf } from './namespace-identity.js';
import type { Store } from './store.js';

export type ConnectionChange =
  | { readonly kind: 'present' | 'changed'; readonly connection: Connection }
  | { readonly kind: 'removed'; readonly connection: Connection; readonly reason: string }
  | { readonly kind: 'synced' };

/** A state that a connection entered. */
export interface PastState {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly state: OperatorState;
  readonly detail: string;
}

/** States of one connection that are remembered. */
const maxHistory = 32;
/** Pods that are remembered when their connections have ended. */
const maxNoted = 8192;
/** A watcher that is this many changes behind is cut off, and may watch again from the start. */
const maxBacklog = 4096;

export class ConnectionTable {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #byId = new Map<string, Connection>();
  /** By key, and of each key by id: a changed request's connection stands beside the one it replaces. */
  readonly #byKey = new Map<string, Map<string, Connection>>();
  readonly #byRequest = new Map<string, Map<string, Connection>>();
  readonly #byClient = new Map<string, Map<string, Connection>>();
  readonly #byServed = new Map<string, Map<string, Connection>>();
  /** Pods that asked for connections lately, the latest last. */
  readonly #noted = new Set<string>();
  readonly #perEndpoint = new Map<string, number>();
  readonly #perPod = new Map<string, number>();
  readonly #perUser = new Map<string, number>();
  readonly #healing = new Set<string>();
  readonly #contested = new Set<string>();
  readonly #histories = new Map<string, PastState[]>();
  readonly #listeners = new Set<(change: ConnectionChange) => void>();

  /** @param now milliseconds since the Unix epoch. */
  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Milliseconds since the Unix epoch. */
  now(): number {
    return this.#now();
  }

  get size(): number {
    return this.#byId.size;
  }

  values(): IterableIterator<Connection> {
    return this.#byId.values();
  }

  /** Those that are HEALING now. */
  healing(): Connection[] {
    return [...this.#healing].flatMap((id) => this.#byId.get(id) ?? []);
  }

  /** Those that somebody in a pod of this node undoes again and again. */
  contested(): Connection[] {
    return [...this.#contested].flatMap((id) => this.#byId.get(id) ?? []);
  }

  byId(id: string): Connection | undefined {
    return this.#byId.get(id);
  }

  /** The states a connection was in since this manager runs, the latest last. */
  historyOf(id: string): readonly PastState[] {
    return this.#histories.get(id) ?? [];
  }

  /** The newest connection of a key. */
  byKey(key: string): Connection | undefined {
    return this.ofKey(key).at(-1);
  }

  /** All connections of a key, the oldest first: a changed request's stands beside the one it replaces. */
  ofKey(key: string): readonly Connection[] {
    const found = [...(this.#byKey.get(key)?.values() ?? [])];
    return found.toSorted((a, b) => a.generation - b.generation);
  }

  /** Of a connection that is made now under a key: above all that there are. */
  nextGeneration(key: string): number {
    return (this.byKey(key)?.generation ?? 0) + 1;
  }

  /** All connections to a service that pods of this node asked for under a request_id: each pod has its own. */
  byRequest(requestId: string, service: string): readonly Connection[] {
    return [...(this.#byRequest.get(ofService(service, requestId))?.values() ?? [])];
  }

  /** All connections that take each other's place: see `clientKeyOf`. */
  ofClient(clientKey: string): readonly Connection[] {
    return [...(this.#byClient.get(clientKey)?.values() ?? [])];
  }

  /** All connections to a service that endpoints of this node know by a request_id. */
  servedAs(requestId: string, service: string): readonly Connection[] {
    return [...(this.#byServed.get(ofService(service, requestId))?.values() ?? [])];
  }

  /** Notes that a pod asks for connections: from then on, to close what is not there is no mistake of its. */
  note(pod: NamespaceIdentity): void {
    const identity = identityOf(pod) ?? '';
    this.#noted.delete(identity);
    this.#noted.add(identity);
    const [oldest] = this.#noted;
    if (this.#noted.size > maxNoted && oldest !== undefined) this.#noted.delete(oldest);
  }

  /** Whether a pod has asked for connections lately. */
  wasNoted(pod: NamespaceIdentity): boolean {
    return this.#noted.has(identityOf(pod) ?? '');
  }

  /** Connections of this node to an endpoint. */
  countOf(endpoint: NetworkServiceEndpoint): number {
    return (
      this.#perEndpoint.get(
        counter(endpoint.networkServiceName, endpoint.nseProviderName, endpoint.nseProviderNamespace),
      ) ?? 0
    );
  }

  /** Connections that the clients in a network namespace have. */
  countIn(owner: Owner): number {
    return this.#perPod.get(podOf(owner)) ?? 0;
  }

  /** Connections of this node's clients whose processes are a user's. */
  countOfUser(uid: number): number {
    return this.#perUser.get(String(uid)) ?? 0;
  }

  /** Adds a connection that the store has already. */
  restore(connection: Connection): void {
    this.#set(connection);
  }

  /** Adds or replaces a connection; resolves when it would survive the death of this process. */
  async put(connection: Connection): Promise<void> {
    const dated = this.#dated(connection);
    this.#set(dated);
    await this.#store.putConnection(dated);
  }

  /**
   * Records what it is meant to be, or what there is of it. Nobody waits for the disk here: after a restart the kernel and the
   * other manager tell.
   * @returns the connection as it is recorded now.
   */
  change(connection: Connection, change: Partial<Pick<Connection, 'intent' | 'phase'>>): Connection {
    const changed = this.#dated({ ...connection, ...change });
    this.#set(changed);
    this.#store.putConnectionSoon(changed);
    return changed;
  }

  async remove(connection: Connection, reason: string): Promise<void> {
    const before = this.#byId.get(connection.id);
    if (!before) return;
    this.#byId.delete(connection.id);
    this.#histories.delete(connection.id);
    this.#forget(before);
    this.#tell({ kind: 'removed', connection, reason });
    await this.#store.removeConnection(connection.id);
  }

  /**
   * First the connections that exist, then `synced`, then every change, until the signal aborts.
   * @throws NsmError `overload` for a watcher that is too far behind.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<ConnectionChange> {
    const backlog = new Backlog<ConnectionChange>(() => maxBacklog + this.#byId.size);
    const listener = (change: ConnectionChange): void => backlog.push(change);
    this.#listeners.add(listener);
    try {
      // Read as it is asked for: what changes meanwhile is told of again.
      for (const connection of this.#byId.values()) {
        if (signal.aborted || backlog.overrun) break;
        yield { kind: 'present', connection };
      }
      if (!signal.aborted && !backlog.overrun) yield { kind: 'synced' };
      yield* backlog.read(signal);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  #set(connection: Connection): void {
    const before = this.#byId.get(connection.id);
    if (before) this.#forget(before);
    this.#remember(connection);
    this.#byId.set(connection.id, connection);
    if (isHealing(connection)) this.#healing.add(connection.id);
    if (connection.phase.kind === 'UP' && connection.phase.contested !== undefined)
      this.#contested.add(connection.id);
    insert(this.#byKey, connection.key, connection);
    const { requestId, service, role } = connection;
    insert(this.#byClient, clientKeyOf(connection), connection);
    if (connection.owner) this.note(namespaceOfOwner(connection.owner));
    if (role !== 'ENDPOINT') insert(this.#byRequest, ofService(service, requestId), connection);
    if (role !== 'CLIENT') insert(this.#byServed, ofService(service, servedAsOf(connection)), connection);
    this.#count(connection, 1);
    this.#tell({ kind: before ? 'changed' : 'present', connection });
  }

  /** With the time at which it entered its state. */
  #dated(connection: Connection): Connection {
    const before = this.#byId.get(connection.id);
    if (!before) return connection;
    return { ...connection, since: stateOf(before) === stateOf(connection) ? before.since : this.#now() };
  }

  #remember(connection: Connection): void {
    const { id } = connection;
    const history = this.#histories.get(id) ?? [];
    const [state, detail] = [stateOf(connection), detailOf(connection)];
    const last = history.at(-1);
    if (last?.state === state && last.detail === detail) return;
    history.push({ time: this.#now(), state, detail });
    if (history.length > maxHistory) history.shift();
    this.#histories.set(id, history);
  }

  #tell(change: ConnectionChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  #forget(connection: Connection): void {
    this.#healing.delete(connection.id);
    this.#contested.delete(connection.id);
    drop(this.#byKey, connection.key, connection);
    drop(this.#byRequest, ofService(connection.service, connection.requestId), connection);
    drop(this.#byClient, clientKeyOf(connection), connection);
    drop(this.#byServed, ofService(connection.service, servedAsOf(connection)), connection);
    this.#count(connection, -1);
  }

  #count({ service, endpoint, owner, crossConnect }: Connection, by: 1 | -1): void {
    count(this.#perEndpoint, counter(service, endpoint.name, endpoint.namespace), by);
    if (!owner) return;
    count(this.#perPod, podOf(owner), by);
    count(this.#perUser, String(crossConnect?.client?.uid ?? 0), by);
  }
}

function count(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const now = (counts.get(key) ?? 0) + by;
  if (now === 0) counts.delete(key);
  else counts.set(key, now);
}

function insert(index: Map<string, Map<string, Connection>>, key: string, connection: Connection): void {
  const present = index.get(key);
  if (present) present.set(connection.id, connection);
  else index.set(key, new Map([[connection.id, connection]]));
}

function drop(index: Map<string, Map<string, Connection>>, key: string, { id }: Connection): void {
  const present = index.get(key);
  if (present?.delete(id) && present.size === 0) index.delete(key);
}

function podOf(owner: Owner): string {
  return identityOf(namespaceOfOwner(owner)) ?? '';
}

function ofService(service: string, requestId: string): string {
  return `${service}/${requestId}`;
}

function counter(service: string, name: string, namespace: string): string {
  return `${service}/${namespace || 'default'}/${name}`;
}
