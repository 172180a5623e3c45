// What all registries share: reads from the local copy, writes through the wanted state.
import type { Credentials, NetworkServiceEndpoint, registry as wire } from '@nsm/api';
import { type Clock, systemClock } from '../clock.js';
import { RecordCache } from '../records/record-cache.js';
import {
  type EndpointRemoval,
  type ManagerRecord,
  type RecordWriter,
  type Registry,
  type RegistryListener,
  type RegistryLogger,
  silentLogger,
} from '../registry.js';
import { WantedState } from './wanted-state.js';

export interface RegistryOptions {
  /** Default: nothing is logged. */
  readonly logger?: RegistryLogger;
  /** Default: the system's monotonic clock. */
  readonly clock?: Clock;
  /** What is shown to a registry on another machine, and whom of those is believed. Default: plain text. */
  readonly credentials?: Credentials;
}

/** An implementation keeps `cache` current and says where writes go. */
export abstract class CachedRegistry implements Registry {
  readonly url: string;
  protected readonly cache: RecordCache;
  protected readonly clock: Clock;
  protected readonly logger: RegistryLogger;
  protected abstract readonly wanted: WantedState;

  constructor(url: string, options: RegistryOptions) {
    this.url = url;
    this.clock = options.clock ?? systemClock;
    this.logger = options.logger ?? silentLogger;
    this.cache = new RecordCache(this.logger);
  }

  abstract start(): Promise<void>;
  abstract stop(): Promise<void>;

  get synced(): boolean {
    return this.cache.synced;
  }

  managers(): ReadonlyMap<string, wire.Manager> {
    return this.cache.managers;
  }

  endpoints(): Iterable<NetworkServiceEndpoint> {
    return this.cache.endpoints();
  }

  endpointsOf(service: string): readonly NetworkServiceEndpoint[] {
    return this.cache.endpointsOf(service);
  }

  watch(listener: RegistryListener): Disposable {
    return this.cache.watch(listener);
  }

  registerManager(manager: ManagerRecord, leaseMs: number): Promise<void> {
    return this.wanted.registerManager(manager, leaseMs);
  }

  removeManager(name: string): Promise<void> {
    return this.wanted.removeManager(name);
  }

  endLease(name: string): Promise<void> {
    return this.wanted.endLease(name);
  }

  registerEndpoint(endpoint: NetworkServiceEndpoint): Promise<void> {
    return this.wanted.registerEndpoint(endpoint);
  }

  removeEndpoint(removal: EndpointRemoval): Promise<void> {
    return this.wanted.removeEndpoint(removal);
  }

  claim(name: string, holder: string): Promise<string> {
    return this.wanted.claim(name, holder);
  }

  releaseClaim(name: string, holder: string): Promise<void> {
    return this.wanted.releaseClaim(name, holder);
  }

  /** `patienceMs`: how long a write is tried before its author is told that the registry does not answer. */
  protected wantedThrough(writer: RecordWriter, patienceMs: number): WantedState {
    const { url, clock, logger } = this;
    return new WantedState(writer, this.cache, { url, clock, logger, patienceMs });
  }
}
