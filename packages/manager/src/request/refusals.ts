// The last refusal of each pod and network service, also of requests that their callers gave up: operators ask for it later.
import type { NamespaceIdentity, NsmError, Subject } from '@nsm/api';
import type { Kept } from '../state/kept-past.js';
import type { KeptRefusal, Refusal } from '../state/kept-refusal.js';
import { identityOf } from '../state/namespace-identity.js';

/** Pods and services of which the last refusal is remembered, the latest: a pod that asks for many services costs no more memory. */
const most = 1024;

export class Refusals {
  readonly #now: () => number;
  readonly #last: Map<string, KeptRefusal>;
  readonly #kept: Kept<KeptRefusal>;

  /** @param kept what outlives a restart. @param now milliseconds since the Unix epoch. */
  constructor(kept: Kept<KeptRefusal>, now: () => number) {
    this.#kept = kept;
    this.#now = now;
    this.#last = new Map([...kept.entries()].toSorted(([, one], [, other]) => one.at - other.at));
  }

  note(
    pod: NamespaceIdentity,
    request: Omit<Refusal, 'client' | 'error' | 'at'>,
    client: Subject,
    error: NsmError,
  ): void {
    const { requestId, networkServiceName, interface: interfaces, labels } = request;
    const key = keyOf(pod, networkServiceName);
    const refusal = {
      pod,
      requestId,
      networkServiceName,
      interface: interfaces,
      client,
      error,
      at: this.#now(),
      ...(labels ? { labels } : {}),
    };
    this.#last.delete(key);
    this.#last.set(key, refusal);
    this.#kept.put(key, refusal);
    const [oldest] = this.#last.keys();
    if (this.#last.size > most && oldest !== undefined) this.#end(oldest);
  }

  forget(pod: NamespaceIdentity, service: string): void {
    if (this.#last.size > 0) this.#end(keyOf(pod, service));
  }

  #end(key: string): void {
    if (this.#last.delete(key)) this.#kept.put(key, undefined);
  }

  of(pod: NamespaceIdentity, service: string): Refusal | undefined {
    return this.#last.get(keyOf(pod, service));
  }

  /** Of every pod, or of one; the latest first. Of every pod without requests that their callers gave up: those were not refused. */
  recent(of?: NamespaceIdentity): KeptRefusal[] {
    const identity = of && identityOf(of);
    return [...this.#last.values()]
      .filter(({ pod, error }) => (of ? identityOf(pod) === identity : error.kind !== 'cancelled'))
      .toReversed();
  }
}

function keyOf(pod: NamespaceIdentity, service: string): string {
  return `${identityOf(pod)} ${service}`;
}
