// The records themselves, where they are decided: checks, leases, claims, and the durable copy.
import { clone, create, toBinary } from '@bufbuild/protobuf';
import {
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  NsmError,
  registry as wire,
} from '@nsm/api';
import { type Change, RecordFile } from '@nsm/durable';
import type { Clock } from '../clock.js';
import { notAlive, ownEndpoint } from '../records/own-records.js';
import { type RecordCache, removalOf } from '../records/record-cache.js';
import { recordCodec, type StoredRecord } from '../records/record-codec.js';
import {
  endpointKey,
  validClaim,
  validEndpoint,
  validKey,
  validLease,
  validManager,
  validName,
} from '../records/valid-record.js';
import type {
  EndpointKey,
  EndpointRemoval,
  ManagerRecord,
  RecordWriter,
  RegistryLogger,
} from '../registry.js';
import { LeaseTable } from './lease-table.js';
import { ManagerShares } from './manager-shares.js';

/**
 * Memory decides, in one synchronous step for each write, and the file follows: a write resolves when the file
 * has it. Should the disk fail, memory stays right and the write rejects, so that its author tries again.
 */
export class RecordAuthority implements RecordWriter {
  readonly #cache: RecordCache;
  readonly #path: string;
  readonly #logger: RegistryLogger;
  readonly #leases: LeaseTable;
  readonly #leaseMs = new Map<string, number>();
  /** Holders by claim. */
  readonly #claims = new Map<string, string>();
  readonly #shares = new ManagerShares();
  /** Latest changes that the file does not have, by key: being written, or refused by the disk. */
  readonly #unwritten = new Map<string, Change<StoredRecord>>();
  /** Those that were refused. */
  readonly #refused = new Map<string, Change<StoredRecord>>();
  #file: RecordFile<StoredRecord> | undefined;

  /** @param path of the file, whose folder must exist at the start. */
  constructor(cache: RecordCache, path: string, clock: Clock, logger: RegistryLogger) {
    this.#cache = cache;
    this.#path = path;
    this.#logger = logger;
    this.#leases = new LeaseTable(clock, (name) => void this.#depose(name, false).catch(() => undefined));
  }

  /**
   * Reads the file. Managers that were alive have a whole lease to say that they still are.
   * @throws NsmError what `RecordFile` throws when it cannot be opened.
   */
  start(): void {
    this.#file = new RecordFile(this.#path, recordCodec, { logger: this.#logger, outlivesMachine: true });
    for (const [, record] of this.#file.entries()) this.#load(record);
    this.#cache.synced = true;
  }

  #load(record: StoredRecord): void {
    switch (record.case) {
      case 'manager': {
        const { manager, leaseMs } = record.value;
        if (!manager) return;
        this.#leaseMs.set(manager.name, leaseMs);
        this.#cache.apply({ case: 'managerPut', value: manager });
        if (manager.alive) this.#leases.renew(manager.name, leaseMs);
        return;
      }
      case 'endpoint':
        this.#addEndpoint(record.value);
        return;
      case 'claim':
        this.#shares.addClaim(record.value.holder);
        this.#claims.set(record.value.name, record.value.holder);
    }
  }

  async stop(): Promise<void> {
    this.#cache.synced = false;
    this.#leases.clear();
    await this.#file?.close();
    this.#file = undefined;
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
    const keys: string[] = [];
    for (const endpoint of [...this.#cache.endpoints()]) {
      if (endpoint.networkServiceHost !== name) continue;
      keys.push(storeKey(endpoint));
      this.#dropEndpoint(endpoint);
    }
    for (const [claim, holder] of this.#claims) {
      if (holder !== name) continue;
      keys.push(claimKey(claim));
      this.#claims.delete(claim);
      this.#shares.removeClaim(name);
    }
    this.#cache.apply({ case: 'managerRemoved', value: name });
    // The manager last: should this process die in between, the rest is not left to nobody.
    await this.#write([...keys, managerKey(name)].map((key) => [key, undefined]));
  }

  async endLease(name: string): Promise<void> {
    validName(name, 'manager name');
    this.#check();
    this.#leases.drop(name);
    await this.#depose(name, true);
  }

  async registerEndpoint(record: NetworkServiceEndpoint): Promise<void> {
    const endpoint = ownEndpoint(this.#cache, undefined, validEndpoint(record));
    this.#check();
    this.#shares.admitEndpoint(endpointKey(endpoint), endpoint.networkServiceHost, bytesOf(endpoint));
    const changed = this.#addEndpoint(endpoint);
    await this.#put(storeKey(endpoint), changed, { case: 'endpoint', value: endpoint });
  }

  async removeEndpoint({ networkServiceHost: host, ...record }: EndpointRemoval): Promise<void> {
    const key = validKey(record);
    this.#check();
    if (host && this.#cache.endpoint(key)?.networkServiceHost !== host) return;
    const changed = this.#dropEndpoint(key);
    await this.#put(storeKey(key), changed, undefined);
  }

  async claim(name: string, holder: string): Promise<string> {
    validClaim(name);
    validName(holder, 'claim holder');
    this.#check();
    const present = this.#claims.get(name);
    if (present !== undefined && present !== holder) return present;
    if (!this.#leases.has(holder)) throw notAlive(holder);
    if (present === undefined) {
      this.#shares.admitClaim(holder);
      this.#shares.addClaim(holder);
    }
    this.#claims.set(name, holder);
    const value = create(wire.ClaimRequestSchema, { name, holder });
    await this.#put(claimKey(name), present === undefined, { case: 'claim', value });
    return holder;
  }

  async releaseClaim(name: string, holder: string): Promise<void> {
    validClaim(name);
    validName(holder, 'claim holder');
    this.#check();
    if (this.#claims.get(name) !== holder) return;
    this.#claims.delete(name);
    this.#shares.removeClaim(holder);
    await this.#put(claimKey(name), true, undefined);
  }

  /** @returns whether it is another record than before. */
  #addEndpoint(endpoint: NetworkServiceEndpoint): boolean {
    this.#shares.addEndpoint(endpointKey(endpoint), endpoint.networkServiceHost, bytesOf(endpoint));
    return this.#cache.apply({ case: 'endpointPut', value: endpoint });
  }

  /** @returns whether it was there. */
  #dropEndpoint(key: EndpointKey): boolean {
    this.#shares.removeEndpoint(endpointKey(key));
    return this.#cache.apply(removalOf(key));
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
    const value = create(wire.RegisterManagerRequestSchema, { manager, leaseMs });
    await this.#put(managerKey(manager.name), changed || !renewed, { case: 'manager', value });
  }

  async #put(key: string, changed: boolean, record: StoredRecord | undefined): Promise<void> {
    if (changed || this.#unwritten.has(key)) await this.#write([[key, record]]);
  }

  async #write(changes: readonly Change<StoredRecord>[]): Promise<void> {
    if (!this.#file) throw stopped();
    for (const change of changes) {
      this.#unwritten.set(change[0], change);
      this.#refused.delete(change[0]);
    }
    const latest = (): Change<StoredRecord>[] => changes.filter((one) => this.#unwritten.get(one[0]) === one);
    try {
      await this.#file.write(changes);
    } catch (error) {
      for (const change of latest()) this.#refused.set(change[0], change);
      throw new NsmError('registry', NsmError.from(error).message, error);
    }
    for (const [key] of latest()) this.#unwritten.delete(key);
    // The disk has room again, also for what nobody asks for any more.
    if (this.#refused.size > 0 && changes.some(([, record]) => record !== undefined))
      void this.#write([...this.#refused.values()]).catch(() => undefined);
  }

  #check(): void {
    if (!this.#cache.synced) throw stopped();
  }
}

function stopped(): NsmError {
  return new NsmError('stopping', 'the registry is not running');
}

const bytesOf = (endpoint: NetworkServiceEndpoint): number =>
  toBinary(NetworkServiceEndpointSchema, endpoint).length;
const managerKey = (name: string): string => `manager/${name}`;
const storeKey = (key: EndpointKey): string => `endpoint/${endpointKey(key)}`;
const claimKey = (name: string): string => `claim/${name}`;
