// The records themselves, where they are decided: checks, leases, claims, and the durable copy.
import { clone, create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  NsmError,
  registry as wire,
} from '@nsm/api';
import type { Clock } from './clock.js';
import { LeaseTable } from './lease-table.js';
import { type RecordCache, removalOf } from './record-cache.js';
import type { Change, RecordStore } from './record-store.js';
import type {
  EndpointKey,
  EndpointRemoval,
  ManagerRecord,
  RecordWriter,
  RegistryLogger,
} from './registry.js';
import { endpointKey, validEndpoint, validKey, validLease, validManager, validName } from './valid-record.js';

/**
 * Memory decides, in one synchronous step for each write, and the file follows: a write resolves when the file
 * has it. Should the disk fail, memory stays right and the write rejects, so that its author tries again.
 */
export class RecordAuthority implements RecordWriter {
  readonly #cache: RecordCache;
  readonly #store: RecordStore;
  readonly #logger: RegistryLogger;
  readonly #leases: LeaseTable;
  readonly #leaseMs = new Map<string, number>();
  /** Holders by claim. */
  readonly #claims = new Map<string, string>();

  constructor(cache: RecordCache, store: RecordStore, clock: Clock, logger: RegistryLogger) {
    this.#cache = cache;
    this.#store = store;
    this.#logger = logger;
    this.#leases = new LeaseTable(clock, (name) => void this.#depose(name, false).catch(() => undefined));
  }

  /** Reads the file. Managers that were alive have a whole lease to say that they still are. */
  start(): void {
    for (const [key, bytes] of this.#store.open()) {
      try {
        this.#load(key, bytes);
      } catch (error) {
        this.#logger.error({ err: error, record: key }, 'a record in the registry file is damaged: left out');
      }
    }
    this.#cache.synced = true;
  }

  #load(key: string, bytes: Uint8Array): void {
    const [kind] = key.split('/', 1);
    if (kind === 'manager') {
      const { manager, leaseMs } = fromBinary(wire.RegisterManagerRequestSchema, bytes);
      if (!manager) return;
      this.#leaseMs.set(manager.name, validLease(leaseMs));
      this.#cache.apply({ case: 'managerPut', value: manager });
      if (manager.alive) this.#leases.renew(manager.name, leaseMs);
    } else if (kind === 'endpoint') {
      const endpoint = validEndpoint(fromBinary(NetworkServiceEndpointSchema, bytes));
      this.#cache.apply({ case: 'endpointPut', value: endpoint });
    } else if (kind === 'claim') {
      const { name, holder } = fromBinary(wire.ClaimRequestSchema, bytes);
      this.#claims.set(name, holder);
    }
  }

  async stop(): Promise<void> {
    this.#cache.synced = false;
    this.#leases.clear();
    await this.#store.close();
  }

  async registerManager(record: ManagerRecord, leaseMs: number): Promise<void> {
    const manager = validManager(record);
    validLease(leaseMs);
    this.#check();
    const { name, address } = manager;
    const holder = this.#cache.managers.get(name);
    if (holder && holder.address !== address && this.#leases.has(name)) {
      throw new NsmError(
        'conflict',
        `manager ${JSON.stringify(name)} is already registered from ${holder.address}; choose another --name`,
      );
    }
    this.#leases.renew(name, leaseMs);
    await this.#putManager(manager, leaseMs);
  }

  async removeManager(name: string): Promise<void> {
    validName(name, 'manager name');
    this.#check();
    this.#leases.drop(name);
    this.#leaseMs.delete(name);
    const changes: Change[] = [[managerKey(name), undefined]];
    for (const endpoint of [...this.#cache.endpoints()]) {
      if (endpoint.networkServiceHost !== name) continue;
      changes.push([storeKey(endpoint), undefined]);
      this.#cache.apply(removalOf(endpoint));
    }
    for (const [claim, holder] of this.#claims) {
      if (holder !== name) continue;
      changes.push([claimKey(claim), undefined]);
      this.#claims.delete(claim);
    }
    this.#cache.apply({ case: 'managerRemoved', value: name });
    await this.#store.write(changes);
  }

  async endLease(name: string): Promise<void> {
    validName(name, 'manager name');
    this.#check();
    this.#leases.drop(name);
    await this.#depose(name, true);
  }

  async registerEndpoint(record: NetworkServiceEndpoint): Promise<void> {
    const endpoint = validEndpoint(record);
    this.#check();
    const changed = this.#cache.apply({ case: 'endpointPut', value: endpoint });
    await this.#put(storeKey(endpoint), changed, toBinary(NetworkServiceEndpointSchema, endpoint));
  }

  async removeEndpoint({ networkServiceHost: host, ...record }: EndpointRemoval): Promise<void> {
    const key = validKey(record);
    this.#check();
    if (host && this.#cache.endpoint(key)?.networkServiceHost !== host) return;
    const changed = this.#cache.apply(removalOf(key));
    await this.#put(storeKey(key), changed, undefined);
  }

  async claim(name: string, holder: string): Promise<string> {
    validName(name, 'claim');
    validName(holder, 'claim holder');
    this.#check();
    const present = this.#claims.get(name);
    if (present !== undefined && present !== holder) return present;
    this.#claims.set(name, holder);
    const request = create(wire.ClaimRequestSchema, { name, holder });
    await this.#put(claimKey(name), present === undefined, toBinary(wire.ClaimRequestSchema, request));
    return holder;
  }

  async releaseClaim(name: string, holder: string): Promise<void> {
    validName(name, 'claim');
    validName(holder, 'claim holder');
    this.#check();
    if (this.#claims.get(name) !== holder) return;
    this.#claims.delete(name);
    await this.#put(claimKey(name), true, undefined);
  }

  async #depose(name: string, stopped: boolean): Promise<void> {
    const manager = this.#cache.managers.get(name);
    const leaseMs = this.#leaseMs.get(name);
    if (!manager || leaseMs === undefined) return;
    const deposed = Object.assign(clone(wire.ManagerSchema, manager), { alive: false, stopped });
    await this.#putManager(deposed, leaseMs);
  }

  async #putManager(manager: wire.Manager, leaseMs: number): Promise<void> {
    const changed = this.#cache.apply({ case: 'managerPut', value: manager });
    const renewed = this.#leaseMs.get(manager.name) === leaseMs;
    this.#leaseMs.set(manager.name, leaseMs);
    const record = create(wire.RegisterManagerRequestSchema, { manager, leaseMs });
    const bytes = toBinary(wire.RegisterManagerRequestSchema, record);
    await this.#put(managerKey(manager.name), changed || !renewed, bytes);
  }

  async #put(key: string, changed: boolean, bytes: Uint8Array | undefined): Promise<void> {
    if (changed || !this.#store.isWritten(key)) await this.#store.write([[key, bytes]]);
  }

  #check(): void {
    if (!this.#cache.synced) throw new NsmError('stopping', 'the registry is not running');
  }
}

const managerKey = (name: string): string => `manager/${name}`;
const storeKey = (key: EndpointKey): string => `endpoint/${endpointKey(key)}`;
const claimKey = (name: string): string => `claim/${name}`;
