// From keys and values of etcd to the local copy of a registry.
import { clone, equals } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NsmError, registry as wire } from '@nsm/api';
import { type Event, Event_EventType as EventType, type KeyValue } from '@nsm/api/etcd';
import { type RecordCache, type RecordEvent, removalOf } from '../records/record-cache.js';
import { endpointKey } from '../records/valid-record.js';
import type { EndpointKey, RegistryLogger } from '../registry.js';
import { type EtcdKeys, readEndpoint, readManager } from './etcd-keys.js';

/** What is at the key of an endpoint. */
export interface PresentEndpoint {
  /** Undefined when the value is no record of it. */
  readonly endpoint: NetworkServiceEndpoint | undefined;
  /** Of etcd, when it was written. */
  readonly revision: bigint;
}

export class EtcdCopy {
  readonly #cache: RecordCache;
  readonly #keys: EtcdKeys;
  readonly #logger: RegistryLogger;
  /** As they are written: whether one is alive, its lease says. */
  readonly #managers = new Map<string, wire.Manager>();
  /** Identifiers of etcd's leases, by manager. */
  readonly #leases = new Map<string, bigint>();
  /** By endpoint key. */
  readonly #revisions = new Map<string, bigint>();

  constructor(cache: RecordCache, keys: EtcdKeys, logger: RegistryLogger) {
    this.#cache = cache;
    this.#keys = keys;
    this.#logger = logger;
  }

  /** True when that manager is alive by that lease, and its record is this. */
  holds(manager: wire.Manager, lease: bigint): boolean {
    const present = this.#managers.get(manager.name);
    if (!this.#cache.synced || !present || this.#leases.get(manager.name) !== lease) return false;
    return equals(wire.ManagerSchema, present, manager);
  }

  endpoint(key: EndpointKey): PresentEndpoint | undefined {
    const revision = this.#revisions.get(endpointKey(key));
    return revision === undefined ? undefined : { endpoint: this.#cache.endpoint(key), revision };
  }

  /** Becomes what all watched keys are at one moment. */
  replace(pairs: Iterable<KeyValue>): void {
    this.#managers.clear();
    this.#leases.clear();
    this.#revisions.clear();
    const endpoints: RecordEvent[] = [];
    for (const pair of pairs) endpoints.push(...this.#take(pair).endpoint);
    const managers = [...this.#managers.keys()].map((name) => this.#eventOf(name));
    this.#cache.replace([...managers, ...endpoints]);
  }

  /** Takes over what happened in one revision: a manager's record and its lease change at the same moment. */
  apply(events: Iterable<Event>): void {
    const managers = new Set<string>();
    for (const { type, kv } of events) {
      if (!kv) continue;
      const changed = type === EventType.DELETE ? this.#drop(kv) : this.#take(kv);
      for (const event of changed.endpoint) this.#cache.apply(event);
      for (const name of changed.manager) managers.add(name);
    }
    for (const name of managers) this.#cache.apply(this.#eventOf(name));
  }

  #take({ key, value, lease, modRevision }: KeyValue): Changed {
    const about = this.#keys.parse(key);
    try {
      switch (about?.kind) {
        case 'manager':
          this.#managers.set(about.name, readManager(about.name, value).manager);
          return { manager: [about.name], endpoint: [] };
        case 'lease':
          this.#leases.set(about.name, lease);
          return { manager: [about.name], endpoint: [] };
        case 'endpoint':
          this.#revisions.set(about.name, modRevision);
          return { manager: [], endpoint: [{ case: 'endpointPut', value: readEndpoint(about.name, value) }] };
      }
    } catch (error) {
      const fields = { key: Buffer.from(key).toString(), err: NsmError.from(error) };
      this.#logger.warn(fields, 'etcd has a record that is none');
    }
    return nothing;
  }

  #drop({ key }: KeyValue): Changed {
    const about = this.#keys.parse(key);
    switch (about?.kind) {
      case 'manager':
        this.#managers.delete(about.name);
        return { manager: [about.name], endpoint: [] };
      case 'lease':
        this.#leases.delete(about.name);
        return { manager: [about.name], endpoint: [] };
      case 'endpoint': {
        this.#revisions.delete(about.name);
        const [networkServiceName = '', nseProviderNamespace = '', nseProviderName = ''] =
          about.name.split('/');
        const removal = removalOf({ networkServiceName, nseProviderNamespace, nseProviderName });
        return { manager: [], endpoint: [removal] };
      }
      default:
        return nothing;
    }
  }

  #eventOf(name: string): RecordEvent {
    const record = this.#managers.get(name);
    if (!record) return { case: 'managerRemoved', value: name };
    const alive = this.#leases.has(name);
    const value = clone(wire.ManagerSchema, record);
    return { case: 'managerPut', value: Object.assign(value, { alive, stopped: record.stopped && !alive }) };
  }
}

interface Changed {
  /** Names. */
  readonly manager: readonly string[];
  readonly endpoint: readonly RecordEvent[];
}

const nothing: Changed = { manager: [], endpoint: [] };
