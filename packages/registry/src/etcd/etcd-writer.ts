// The writes of a registry as transactions of etcd, which decide at one moment what is taken and what is refused.
import { clone } from '@bufbuild/protobuf';
import { type Identity, type NetworkServiceEndpoint, NsmError, registry as wire } from '@nsm/api';
import type { KeyValue } from '@nsm/api/etcd';
import { notAlive, ownName } from '../records/own-records.js';
import type { RecordCache } from '../records/record-cache.js';
import { validClaim, validLease, validManager, validName } from '../records/valid-record.js';
import type { EndpointRemoval, ManagerRecord, RecordWriter } from '../registry.js';
import type { EtcdCopy } from './etcd-copy.js';
import { EtcdEndpoints } from './etcd-endpoints.js';
import { isLostLease } from './etcd-errors.js';
import {
  claimValue,
  type EtcdKeys,
  managerValue,
  readClaim,
  readEndpoint,
  readManager,
} from './etcd-keys.js';
import { pagesOf } from './etcd-pages.js';
import type { EtcdSession } from './etcd-session.js';
import {
  absent,
  boundTo,
  hasValue,
  nested,
  present,
  put,
  range,
  remove,
  unchanged,
  valuesIn,
  within,
} from './etcd-txn.js';
import { GatheredTxns } from './gathered-txns.js';

export interface EtcdWriterComponents {
  readonly keys: EtcdKeys;
  readonly copy: EtcdCopy;
  readonly cache: RecordCache;
  /** The connection of the moment. */
  readonly session: () => EtcdSession;
}

/** A transaction of etcd has at most 128 operations; some are left for what goes along. */
const mostRemovals = 100;

export class EtcdWriter implements RecordWriter {
  readonly #components: EtcdWriterComponents;
  readonly #identity: () => Identity | undefined;
  readonly #txns: GatheredTxns;
  readonly #endpoints: EtcdEndpoints;
  /** Etcd's leases of the managers that are registered here. */
  readonly #leases = new Map<string, { readonly id: bigint; readonly seconds: bigint }>();

  /** @param identity whose records are written; undefined where names are believed, or somebody else has checked. */
  constructor(components: EtcdWriterComponents, identity: () => Identity | undefined) {
    this.#components = components;
    this.#identity = identity;
    this.#txns = new GatheredTxns((txn) => components.session().txn(txn));
    this.#endpoints = new EtcdEndpoints(components, this.#txns, identity);
  }

  async registerManager(record: ManagerRecord, leaseMs: number): Promise<void> {
    const manager = validManager(record);
    const seconds = BigInt(Math.ceil(validLease(leaseMs) / 1000));
    this.#own(manager.name);
    const { copy } = this.#components;
    const lease = await this.#lease(manager.name, seconds);
    if (copy.holds(manager, lease)) return;
    try {
      await this.#putManager(manager, leaseMs, lease);
    } catch (error) {
      // The lease ran out in between; the next attempt gets another.
      if (isLostLease(error)) this.#leases.delete(manager.name);
      throw error;
    }
  }

  async removeManager(name: string): Promise<void> {
    this.#own(validName(name, 'manager name'));
    const { keys, session } = this.#components;
    this.#leases.delete(name);
    // The manager last: should this process die in between, the rest is not left to nobody.
    const last = [remove(keys.lease(name)), remove(keys.manager(name))];
    for (let left = await this.#belongings(name); ; left = await this.#belongings(name)) {
      const part = left.slice(0, mostRemovals);
      const { succeeded } = await session().txn({
        compare: part.map(({ key, modRevision }) => unchanged(key, modRevision)),
        success: [...part.map(({ key }) => remove(key)), ...(part.length === left.length ? last : [])],
      });
      if (succeeded && part.length === left.length) return;
    }
  }

  async endLease(name: string): Promise<void> {
    this.#own(validName(name, 'manager name'));
    const { keys, session } = this.#components;
    const key = keys.manager(name);
    for (;;) {
      const [present] = (await session().range({ key })).kvs;
      if (!present) return;
      const { manager, leaseMs } = readManager(name, present.value);
      const stopped = Object.assign(clone(wire.ManagerSchema, manager), { stopped: true });
      const { succeeded } = await session().txn({
        compare: [unchanged(key, present.modRevision)],
        success: [put(key, managerValue(stopped, leaseMs)), remove(keys.lease(name))],
      });
      if (succeeded) return;
    }
  }

  async registerEndpoint(endpoint: NetworkServiceEndpoint): Promise<void> {
    await this.#endpoints.register(endpoint);
  }

  async removeEndpoint(removal: EndpointRemoval): Promise<void> {
    await this.#endpoints.remove(removal);
  }

  async claim(name: string, holder: string): Promise<string> {
    validClaim(name);
    this.#own(validName(holder, 'claim holder'));
    const key = this.#components.keys.claim(name);
    const own = claimValue(name, holder);
    const held = this.#components.keys.lease(holder);
    const lease = this.#leases.get(holder);
    const living = lease ? boundTo(held, lease.id) : present(held);
    // What is had already is written again: a release that comes late is of the version before, and does nothing.
    const answer = await this.#txns.add(key, {
      compare: [living, absent(key)],
      success: [put(key, own)],
      failure: [
        within({ compare: [living, hasValue(key, own)], success: [put(key, own)], failure: [range(key)] }),
      ],
    });
    if (answer.succeeded || nested(answer)?.succeeded) return holder;
    const [found] = valuesIn(answer);
    if (found) return readClaim(found.value).holder;
    throw notAlive(holder);
  }

  async releaseClaim(name: string, holder: string): Promise<void> {
    validClaim(name);
    this.#own(validName(holder, 'claim holder'));
    const key = this.#components.keys.claim(name);
    const own = Buffer.from(claimValue(name, holder));
    const [found] = (await this.#components.session().range({ key })).kvs;
    if (!found || !own.equals(found.value)) return;
    await this.#txns.add(key, { compare: [unchanged(key, found.modRevision)], success: [remove(key)] });
  }

  /** @throws NsmError `untrusted` */
  #own(name: string): void {
    ownName(this.#components.cache, this.#identity(), name);
  }

  /** The lease that the manager has, with all of its time, or a new one. */
  async #lease(name: string, seconds: bigint): Promise<bigint> {
    const { session } = this.#components;
    const held = this.#leases.get(name);
    if (held?.seconds === seconds && (await session().keepLease(held.id))) return held.id;
    const id = await session().grantLease(seconds);
    this.#leases.set(name, { id, seconds });
    return id;
  }

  /** @throws NsmError `conflict` */
  async #putManager(manager: wire.Manager, leaseMs: number, lease: bigint): Promise<void> {
    const { name, address } = manager;
    const { keys, session } = this.#components;
    const held = keys.lease(name);
    const own = Buffer.from(address);
    const puts = [put(keys.manager(name), managerValue(manager, leaseMs)), put(held, own, lease)];
    const answer = await session().txn({
      compare: [hasValue(held, own)],
      success: puts,
      failure: [within({ compare: [absent(held)], success: puts, failure: [range(held)] })],
    });
    const [holder] = valuesIn(answer);
    if (!holder) return;
    this.#leases.delete(name);
    throw new NsmError(
      'conflict',
      `manager ${JSON.stringify(name)} is already registered from ${Buffer.from(holder.value)}; choose another --name`,
    );
  }

  /** The endpoints that a manager serves, and its claims. */
  async #belongings(name: string): Promise<KeyValue[]> {
    const { keys, session } = this.#components;
    const found: KeyValue[] = [];
    for await (const { kvs } of pagesOf(session(), keys.endpoints))
      found.push(...kvs.filter((pair) => hostOf(keys, pair) === name));
    for await (const { kvs } of pagesOf(session(), keys.claims))
      found.push(...kvs.filter(({ value }) => holderOf(value) === name));
    return found;
  }
}

/** Undefined of what is no record. */
function hostOf(keys: EtcdKeys, { key, value }: KeyValue): string | undefined {
  try {
    return readEndpoint(keys.parse(key)?.name ?? '', value).networkServiceHost;
  } catch {
    return undefined;
  }
}

/** Undefined of what is no record. */
function holderOf(value: Uint8Array): string | undefined {
  try {
    return readClaim(value).holder;
  } catch {
    return undefined;
  }
}
