// The keys of a mesh in etcd, and the records at them. The keys that a watch needs lie together.
import { create } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NsmError, registry as wire } from '@nsm/api';
import { recordCodec } from '../records/record-codec.js';
import { endpointKey } from '../records/valid-record.js';
import type { EndpointKey } from '../registry.js';

/** From `key` up to `rangeEnd`, which is not part of it. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/** What a watched key is about. */
export interface WatchedKey {
  readonly kind: 'endpoint' | 'lease' | 'manager';
  /** Of a manager, or the key of an endpoint. */
  readonly name: string;
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

export class EtcdKeys {
  readonly #prefix: string;
  /** Tells this store from another: the first client puts a random text there. */
  readonly store: Uint8Array;
  /** All but the claims, of which only who claims needs to hear. */
  readonly watched: KeyRange;
  readonly endpoints: KeyRange;
  readonly claims: KeyRange;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.store = this.#key('store');
    this.watched = { key: this.#key('endpoint/'), rangeEnd: this.#key('store\0') };
    this.endpoints = this.#folder('endpoint');
    this.claims = this.#folder('claim');
  }

  /** The record of a manager, alive or not. */
  manager(name: string): Uint8Array {
    return this.#key(`manager/${name}`);
  }

  /** The address of a living manager: bound to the manager's lease, and gone with it. */
  lease(name: string): Uint8Array {
    return this.#key(`lease/${name}`);
  }

  endpoint(key: EndpointKey): Uint8Array {
    return this.#key(`endpoint/${endpointKey(key)}`);
  }

  claim(name: string): Uint8Array {
    return this.#key(`claim/${name}`);
  }

  /** @returns undefined for the key of the store, and for what is not of a registry. */
  parse(key: Uint8Array): WatchedKey | undefined {
    const text = Buffer.from(key).toString().slice(this.#prefix.length);
    const [, kind, name = ''] = /^(endpoint|lease|manager)\/(.+)$/s.exec(text) ?? [];
    return kind === undefined ? undefined : { kind: kind as WatchedKey['kind'], name };
  }

  #key(text: string): Uint8Array {
    return bytes(this.#prefix + text);
  }

  /** '0' is the character behind '/'. */
  #folder(name: string): KeyRange {
    return { key: this.#key(`${name}/`), rangeEnd: this.#key(`${name}0`) };
  }
}

export function managerValue(manager: wire.Manager, leaseMs: number): Uint8Array {
  const value = create(wire.RegisterManagerRequestSchema, { manager, leaseMs });
  return recordCodec.encode({ case: 'manager', value });
}

export function endpointValue(value: NetworkServiceEndpoint): Uint8Array {
  return recordCodec.encode({ case: 'endpoint', value });
}

export function claimValue(name: string, holder: string): Uint8Array {
  const value = create(wire.ClaimRequestSchema, { name, holder });
  return recordCodec.encode({ case: 'claim', value });
}

/** @throws NsmError `invalid` unless it is the record of that manager. */
export function readManager(
  name: string,
  value: Uint8Array,
): wire.RegisterManagerRequest & { manager: wire.Manager } {
  const record = recordCodec.decode(value, recordCodec.schema);
  if (record.case !== 'manager' || record.value.manager?.name !== name) throw strange(`manager/${name}`);
  return { ...record.value, manager: record.value.manager };
}

/** @throws NsmError `invalid` unless it is the record of the endpoint of that key. */
export function readEndpoint(key: string, value: Uint8Array): NetworkServiceEndpoint {
  const record = recordCodec.decode(value, recordCodec.schema);
  if (record.case !== 'endpoint' || endpointKey(record.value) !== key) throw strange(`endpoint/${key}`);
  return record.value;
}

/** @throws NsmError `invalid` unless it is a claim. */
export function readClaim(value: Uint8Array): wire.ClaimRequest {
  const record = recordCodec.decode(value, recordCodec.schema);
  if (record.case !== 'claim') throw strange('claim/');
  return record.value;
}

function strange(key: string): NsmError {
  return new NsmError('invalid', `what etcd has at ${key} is the record of something else`);
}
