// How far a copy is in the history of an etcd: read as a whole, then change by change, and taken up again where it was left.
import { randomUUID } from 'node:crypto';
import { NsmError } from '@nsm/api';
import type { Event, KeyValue, WatchResponse } from '@nsm/api/etcd';
import type { EtcdCopy } from './etcd-copy.js';
import { isLostRevision } from './etcd-errors.js';
import type { EtcdKeys } from './etcd-keys.js';
import { pagesOf } from './etcd-pages.js';
import type { EtcdSession } from './etcd-session.js';
import { absent, put, range, valuesIn } from './etcd-txn.js';

interface Place {
  /** What was at the key of the store. */
  readonly store: string;
  /** All changes up to this revision are in the copy. */
  readonly revision: bigint;
}

export class EtcdHistory {
  readonly #keys: EtcdKeys;
  readonly #copy: EtcdCopy;
  #place: Place | undefined;

  constructor(keys: EtcdKeys, copy: EtcdCopy) {
    this.#keys = keys;
    this.#copy = copy;
  }

  /**
   * Brings the copy up to date, calls `complete`, and takes over change after change until the watch ends.
   * @throws NsmError `overload` when the history that is needed is gone: the next call reads everything again.
   */
  async follow(session: EtcdSession, complete: () => void, signal: AbortSignal): Promise<void> {
    if (!(await this.#isThere(session))) await this.#readAll(session);
    const { revision = 0n } = this.#place ?? {};
    const request = {
      ...this.#keys.watched,
      startRevision: revision + 1n,
      progressNotify: true,
      fragment: true,
    };
    let events: Event[] = [];
    for await (const response of session.watch(request, signal)) {
      if (response.canceled) throw this.#ended(response);
      if (response.created) complete();
      events.push(...response.events);
      if (response.fragment) continue;
      this.#apply(events);
      // A response without events says that there were none up to its revision; others may have only some of it.
      if (events.length === 0 && !response.created) this.#reach(response.header?.revision ?? 0n);
      events = [];
    }
  }

  /** True when this is the store that was read, with all that has happened since. */
  async #isThere(session: EtcdSession): Promise<boolean> {
    if (!this.#place) return false;
    try {
      const { store, revision } = this.#place;
      const { kvs } = await session.range({ key: this.#keys.store, revision });
      return textOf(kvs[0]) === store;
    } catch (error) {
      if (isLostRevision(error)) return false;
      throw error;
    }
  }

  async #readAll(session: EtcdSession): Promise<void> {
    const { store: key, watched } = this.#keys;
    const own = randomUUID();
    const made = await session.txn({
      compare: [absent(key)],
      success: [put(key, Buffer.from(own))],
      failure: [range(key)],
    });
    const store = made.succeeded ? own : textOf(valuesIn(made)[0]);
    const pairs: KeyValue[] = [];
    let revision = 0n;
    for await (const page of pagesOf(session, watched)) {
      revision = page.revision;
      for (const pair of page.kvs) pairs.push(pair);
    }
    this.#copy.replace(pairs);
    this.#place = { store, revision };
  }

  /** The events of one revision belong together. */
  #apply(events: readonly Event[]): void {
    let group: Event[] = [];
    let revision = 0n;
    for (const event of events) {
      const { key, modRevision = 0n } = event.kv ?? {};
      if (key && Buffer.compare(key, this.#keys.store) === 0)
        throw this.#lost('somebody has taken the key of the store away');
      if (modRevision !== revision) {
        this.#copy.apply(group);
        this.#reach(revision);
        group = [];
        revision = modRevision;
      }
      group.push(event);
    }
    this.#copy.apply(group);
    this.#reach(revision);
  }

  #reach(revision: bigint): void {
    if (this.#place && revision > this.#place.revision) this.#place = { ...this.#place, revision };
  }

  #ended({ compactRevision, cancelReason }: WatchResponse): NsmError {
    if (compactRevision > 0n)
      return this.#lost(`what happened before revision ${compactRevision} is compacted`);
    return new NsmError('registry', `etcd has ended the watch: ${cancelReason}`);
  }

  #lost(why: string): NsmError {
    this.#place = undefined;
    return new NsmError('overload', why);
  }
}

function textOf(pair: KeyValue | undefined): string {
  return Buffer.from(pair?.value ?? []).toString();
}
