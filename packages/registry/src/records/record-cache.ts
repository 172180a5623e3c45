// Managers and endpoints in memory, indexed, with listeners who hear of real changes only.
import { create, equals } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NetworkServiceEndpointSchema, registry as wire } from '@nsm/api';
import { type EndpointKey, type RegistryListener, type RegistryLogger, silentLogger } from '../registry.js';
import { endpointKey } from './valid-record.js';

export type RecordEvent = wire.RegistryEvent['event'];

const syncedEvent = create(wire.RegistryEventSchema, { event: { case: 'synced', value: true } });

export class RecordCache {
  readonly #managers = new Map<string, wire.Manager>();
  /** By service, then by key. */
  readonly #services = new Map<string, Map<string, NetworkServiceEndpoint>>();
  readonly #listeners = new Map<object, { readonly listener: RegistryListener; synced: boolean }>();
  readonly #logger: RegistryLogger;
  #synced = false;

  constructor(logger: RegistryLogger = silentLogger) {
    this.#logger = logger;
  }

  get managers(): ReadonlyMap<string, wire.Manager> {
    return this.#managers;
  }

  get synced(): boolean {
    return this.#synced;
  }

  /** Listeners hear of the first time only. */
  set synced(synced: boolean) {
    this.#synced = synced;
    if (!synced) return;
    for (const entry of this.#listeners.values()) {
      if (entry.synced) continue;
      entry.synced = true;
      this.#tell(entry.listener, syncedEvent);
    }
  }

  *endpoints(): Generator<NetworkServiceEndpoint> {
    for (const service of this.#services.values()) yield* service.values();
  }

  endpointsOf(service: string): readonly NetworkServiceEndpoint[] {
    return [...(this.#services.get(service)?.values() ?? [])];
  }

  endpoint(key: EndpointKey): NetworkServiceEndpoint | undefined {
    return this.#services.get(key.networkServiceName)?.get(endpointKey(key));
  }

  /** Takes one event over; returns false, and tells nobody, when it changes nothing. */
  apply(event: RecordEvent): boolean {
    const changed = this.#store(event);
    if (!changed) return false;
    const told = create(wire.RegistryEventSchema, { event });
    for (const { listener } of [...this.#listeners.values()]) this.#tell(listener, told);
    return true;
  }

  /** Becomes what `events` (puts only) describe: what they lack is removed. */
  replace(events: Iterable<RecordEvent>): void {
    const managers = new Set<string>();
    const endpoints = new Set<string>();
    for (const event of events) {
      if (event.case === 'managerPut') managers.add(event.value.name);
      if (event.case === 'endpointPut') endpoints.add(endpointKey(event.value));
      this.apply(event);
    }
    for (const endpoint of [...this.endpoints()]) {
      if (!endpoints.has(endpointKey(endpoint))) this.apply(removalOf(endpoint));
    }
    for (const name of [...this.#managers.keys()]) {
      if (!managers.has(name)) this.apply({ case: 'managerRemoved', value: name });
    }
  }

  watch(listener: RegistryListener): Disposable {
    for (const event of this.#present()) this.#tell(listener, create(wire.RegistryEventSchema, { event }));
    if (this.#synced) this.#tell(listener, syncedEvent);
    const token = {};
    this.#listeners.set(token, { listener, synced: this.#synced });
    return { [Symbol.dispose]: () => this.#listeners.delete(token) };
  }

  *#present(): Generator<RecordEvent> {
    for (const value of this.#managers.values()) yield { case: 'managerPut', value };
    for (const value of this.endpoints()) yield { case: 'endpointPut', value };
  }

  #store(event: RecordEvent): boolean {
    switch (event.case) {
      case 'managerPut': {
        const old = this.#managers.get(event.value.name);
        if (old && equals(wire.ManagerSchema, old, event.value)) return false;
        this.#managers.set(event.value.name, event.value);
        return true;
      }
      case 'managerRemoved':
        return this.#managers.delete(event.value);
      case 'endpointPut': {
        const service = this.#services.get(event.value.networkServiceName) ?? new Map();
        const key = endpointKey(event.value);
        const old = service.get(key);
        if (old && equals(NetworkServiceEndpointSchema, old, event.value)) return false;
        this.#services.set(event.value.networkServiceName, service.set(key, compact(event.value)));
        return true;
      }
      case 'endpointRemoved': {
        const service = this.#services.get(event.value.networkServiceName);
        const removed = service?.delete(endpointKey(event.value)) ?? false;
        if (service?.size === 0) this.#services.delete(event.value.networkServiceName);
        return removed;
      }
      default:
        return false;
    }
  }

  /** A listener's failure is its own: neither the copy nor the other listeners suffer. */
  #tell(listener: RegistryListener, told: wire.RegistryEvent): void {
    try {
      listener(told);
    } catch (error) {
      this.#logger.error({ err: error, event: told.event.case }, 'a registry listener failed');
    }
  }
}

/** Lists that were read have room for sixteen more entries each, and there are tens of thousands of endpoints. */
function compact(endpoint: NetworkServiceEndpoint): NetworkServiceEndpoint {
  endpoint.prefixes = endpoint.prefixes.slice();
  endpoint.interface = endpoint.interface.slice();
  return endpoint;
}

/** The event that an endpoint is no more. */
export function removalOf(key: EndpointKey): RecordEvent {
  const { networkServiceName, nseProviderName, nseProviderNamespace } = key;
  return {
    case: 'endpointRemoved',
    value: create(wire.RemoveEndpointRequestSchema, {
      networkServiceName,
      nseProviderName,
      nseProviderNamespace: nseProviderNamespace || 'default',
    }),
  };
}
