// The connections of this manager: in memory, in the store, and told to watchers.
import { Backlog, type NamespaceIdentity } from '@nsm/api';
import { type EndpointKey, endpointKey } from '@nsm/registry';
import {
  type Connection,
  clientKeyOf,
  endpointOf,
  isHealing,
  namespaceOfOwner,
  servedAsOf,
  stateOf,
} from './connection.js';
import { ConnectionHistories } from './connection-histories.js';
import { ConnectionIndex } from './connection-index.js';
import { holderOf } from './holder.js';
import { Holdings } from './holdings.js';
import { identityOf } from './namespace-identity.js';
import type { Store } from './store.js';

/** A connection that has come, changed or gone. */
export type ChangeOfOne =
  | { readonly kind: 'present' | 'changed'; readonly connection: Connection }
  | { readonly kind: 'removed'; readonly connection: Connection; readonly reason: string };

/** For watchers: `synced` follows the connections that there were at first. */
export type ConnectionChange = ChangeOfOne | { readonly kind: 'synced' };

/** Pods that are remembered when their connections have ended. */
const maxNoted = 8192;
/** A watcher that is this many changes behind is cut off, and may watch again from the start. */
const maxBacklog = 4096;

export class ConnectionTable {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #byId = new Map<string, Connection>();
  readonly #byKey = new ConnectionIndex(({ key }) => key);
  readonly #byRequest = new ConnectionIndex(({ role, service, requestId }) =>
    role === 'ENDPOINT' ? undefined : ofService(service, requestId),
  );
  readonly #byClient = new ConnectionIndex(clientKeyOf);
  readonly #byServed = new ConnectionIndex((connection) =>
    connection.role === 'CLIENT' ? undefined : ofService(connection.service, servedAsOf(connection)),
  );
  readonly #byEndpoint = new ConnectionIndex((connection) => endpointKey(endpointOf(connection)));
  readonly #indexes = [this.#byKey, this.#byRequest, this.#byClient, this.#byServed, this.#byEndpoint];
  /** Pods that asked for connections lately, the latest last. */
  readonly #noted = new Set<string>();
  /** What pods and users have of the table. */
  readonly holdings: Holdings = new Holdings();
  /** What each connection went through. */
  readonly histories: ConnectionHistories;
  readonly #healing = new Set<string>();
  readonly #contested = new Set<string>();
  readonly #listeners = new Set<(change: ChangeOfOne) => void>();

  /** @param now milliseconds since the Unix epoch. */
  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
    this.histories = new ConnectionHistories(store.histories);
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

  healing(): Connection[] {
    return [...this.#healing].flatMap((id) => this.#byId.get(id) ?? []);
  }

  /** Connections that something in a pod of this node undoes again and again. */
  contested(): Connection[] {
    return [...this.#contested].flatMap((id) => this.#byId.get(id) ?? []);
  }

  byId(id: string): Connection | undefined {
    return this.#byId.get(id);
  }

  byKey(key: string): Connection | undefined {
    return this.ofKey(key).at(-1);
  }

  /** This node's half of a connection between nodes, by the id that its client's manager gave to both halves. */
  halfOf(connectionId: string): Connection | undefined {
    const own = this.#byId.get(connectionId);
    return own?.role === 'CLIENT' ? own : this.byKey(`proxy ${connectionId}`);
  }

  /** All connections of a key, the oldest first: a changed request's stands beside the one it replaces. */
  ofKey(key: string): readonly Connection[] {
    return this.#byKey.of(key).toSorted((a, b) => a.generation - b.generation);
  }

  /** The generation of a connection that is made now under a key: above all present ones. */
  nextGeneration(key: string): number {
    return (this.byKey(key)?.generation ?? 0) + 1;
  }

  /** All connections to a service that pods of this node asked for under a request_id: each pod has its own. */
  byRequest(requestId: string, service: string): readonly Connection[] {
    return this.#byRequest.of(ofService(service, requestId));
  }

  /** All connections that take each other's place: see `clientKeyOf`. */
  ofClient(clientKey: string): readonly Connection[] {
    return this.#byClient.of(clientKey);
  }

  /** All connections to a service that endpoints of this node know by a request_id. */
  servedAs(requestId: string, service: string): readonly Connection[] {
    return this.#byServed.of(ofService(service, requestId));
  }

  /** Notes that a pod asks for connections: from then on, to close what is not there is no mistake of its. */
  note(pod: NamespaceIdentity): void {
    const identity = identityOf(pod) ?? '';
    this.#noted.delete(identity);
    this.#noted.add(identity);
    const [oldest] = this.#noted;
    if (this.#noted.size > maxNoted && oldest !== undefined) this.#noted.delete(oldest);
  }

  wasNoted(pod: NamespaceIdentity): boolean {
    return this.#noted.has(identityOf(pod) ?? '');
  }

  countOf(endpoint: EndpointKey): number {
    return this.#byEndpoint.countOf(endpointKey(endpoint));
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
   * Records what a connection is meant to be, or what there is of it, without waiting for the disk: after a restart the kernel and the
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
    this.histories.delete(connection.id);
    this.holdings.delete(connection.id, 'record');
    this.#forget(before);
    this.#tell({ kind: 'removed', connection, reason });
    await this.#store.removeConnection(connection.id);
  }

  /** Calls the listener for every change, until what is returned is disposed of. */
  onChange(listener: (change: ChangeOfOne) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /**
   * First the connections that exist, then `synced`, then every change, until the signal aborts.
   * @throws NsmError `overload` for a watcher that is too far behind.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<ConnectionChange> {
    const backlog = new Backlog<ConnectionChange>(() => maxBacklog + this.#byId.size);
    using _listening = this.onChange((change) => backlog.push(change));
    // Read as it is asked for: what changes meanwhile is told of again.
    for (const connection of this.#byId.values()) {
      if (signal.aborted || backlog.overrun) break;
      yield { kind: 'present', connection };
    }
    if (!signal.aborted && !backlog.overrun) yield { kind: 'synced' };
    yield* backlog.read(signal);
  }

  #set(connection: Connection): void {
    const before = this.#byId.get(connection.id);
    if (before) this.#forget(before);
    this.histories.note(connection, this.#now());
    this.#byId.set(connection.id, connection);
    for (const index of this.#indexes) index.add(connection);
    if (isHealing(connection)) this.#healing.add(connection.id);
    if (connection.phase.kind === 'UP' && connection.phase.contested !== undefined)
      this.#contested.add(connection.id);
    if (connection.owner) this.note(namespaceOfOwner(connection.owner));
    const holder = holderOf(connection);
    if (holder) this.holdings.add(connection.id, holder, 'record', routesIn(connection));
    this.#tell({ kind: before ? 'changed' : 'present', connection });
  }

  /** The record with the time at which the connection entered its state. */
  #dated(connection: Connection): Connection {
    const before = this.#byId.get(connection.id);
    if (!before) return connection;
    return { ...connection, since: stateOf(before) === stateOf(connection) ? before.since : this.#now() };
  }

  #tell(change: ChangeOfOne): void {
    for (const listener of this.#listeners) listener(change);
  }

  #forget(connection: Connection): void {
    this.#healing.delete(connection.id);
    this.#contested.delete(connection.id);
    for (const index of this.#indexes) index.delete(connection);
  }
}

/** Routes of both sides. */
export function routesIn({ clientParameters, endpointParameters }: Connection): number {
  return (clientParameters?.route.length ?? 0) + (endpointParameters?.route.length ?? 0);
}

function ofService(service: string, requestId: string): string {
  return `${service}/${requestId}`;
}
