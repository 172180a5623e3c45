// Endpoints in etcd: each write is made of what is there, and only if that is still so.
import { create } from '@bufbuild/protobuf';
import { type Identity, type NetworkServiceEndpoint, NsmError, registry as wire } from '@nsm/api';
import type { KeyValue } from '@nsm/api/etcd';
import { ownEndpoint, ownRemoval } from '../records/own-records.js';
import type { RecordCache } from '../records/record-cache.js';
import { endpointKey, validEndpoint, validKey } from '../records/valid-record.js';
import type { EndpointKey, EndpointRemoval } from '../registry.js';
import type { EtcdCopy, PresentEndpoint } from './etcd-copy.js';
import { type EtcdKeys, endpointValue, readEndpoint } from './etcd-keys.js';
import { absent, type Operation, put, range, remove, unchanged, valuesIn } from './etcd-txn.js';
import type { GatheredTxns } from './gathered-txns.js';

/** What becomes of an endpoint; nothing of it is done while the manager `unless` is alive. */
interface Change {
  readonly operations: readonly Operation[];
  readonly unless?: string;
}

export interface EtcdEndpointsComponents {
  readonly keys: EtcdKeys;
  readonly copy: EtcdCopy;
  readonly cache: RecordCache;
}

/** Attempts of one write while others change the same endpoint. */
const mostAttempts = 10;

export class EtcdEndpoints {
  readonly #components: EtcdEndpointsComponents;
  readonly #txns: GatheredTxns;
  readonly #identity: () => Identity | undefined;

  /** @param identity whose endpoints they are; undefined where names are believed. */
  constructor(components: EtcdEndpointsComponents, txns: GatheredTxns, identity: () => Identity | undefined) {
    this.#components = components;
    this.#txns = txns;
    this.#identity = identity;
  }

  async register(record: NetworkServiceEndpoint): Promise<void> {
    const endpoint = validEndpoint(record);
    const key = this.#components.keys.endpoint(endpoint);
    await this.#change(endpoint, (present, livingHost) => {
      const own = this.#own(endpoint, present, livingHost);
      const host = present?.endpoint?.networkServiceHost;
      const operations = [put(key, endpointValue(own))];
      const foreign = host !== undefined && host !== own.networkServiceHost;
      return foreign ? { operations, unless: host } : { operations };
    });
  }

  async remove(removal: EndpointRemoval): Promise<void> {
    const { networkServiceHost: host, ...record } = ownRemoval(
      this.#components.cache,
      this.#identity(),
      removal,
    );
    const key = validKey(record);
    await this.#change(key, (present) => {
      const moved = host && present?.endpoint && present.endpoint.networkServiceHost !== host;
      return { operations: present && !moved ? [remove(this.#components.keys.endpoint(key))] : [] };
    });
  }

  /** @throws NsmError `conflict` when it is the endpoint of another manager, which is alive. */
  #own(
    endpoint: NetworkServiceEndpoint,
    present: PresentEndpoint | undefined,
    livingHost: string | undefined,
  ): NetworkServiceEndpoint {
    const managers = new Map<string, wire.Manager>();
    const own = this.#components.cache.managers.get(endpoint.networkServiceHost);
    if (own) managers.set(own.name, own);
    if (livingHost !== undefined)
      managers.set(livingHost, create(wire.ManagerSchema, { name: livingHost, alive: true }));
    return ownEndpoint({ endpoint: () => present?.endpoint, managers }, this.#identity(), endpoint);
  }

  /**
   * `decide` says what is to be done of what is there, at first of the copy: if that has changed, etcd says what is there.
   * Then the manager that serves it may be known to be alive.
   */
  async #change(
    name: EndpointKey,
    decide: (present: PresentEndpoint | undefined, livingHost: string | undefined) => Change,
  ): Promise<void> {
    const { keys, copy } = this.#components;
    const key = keys.endpoint(name);
    let present = copy.endpoint(name);
    let livingHost: string | undefined;
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const { operations, unless } = decide(present, livingHost);
      const lease = unless === undefined ? undefined : keys.lease(unless);
      const answer = await this.#txns.add(key, {
        compare: [unchanged(key, present?.revision ?? 0n), ...(lease ? [absent(lease)] : [])],
        success: [...operations],
        failure: [range(key), ...(lease ? [range(lease)] : [])],
      });
      if (answer.succeeded) return;
      const [pair, living] = valuesIn(answer);
      present = pair && presentOf(name, pair);
      livingHost = living && unless === present?.endpoint?.networkServiceHost ? unless : undefined;
    }
    throw new NsmError('registry', `endpoint ${endpointKey(name)} is being changed by others all the time`);
  }
}

function presentOf(name: EndpointKey, { value, modRevision: revision }: KeyValue): PresentEndpoint {
  try {
    return { endpoint: readEndpoint(endpointKey(name), value), revision };
  } catch {
    return { endpoint: undefined, revision };
  }
}
