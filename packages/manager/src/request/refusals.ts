// Why the last request of a pod for a network service was refused, or what its caller did not wait for: operators ask for it later, when nobody has the answer any more.
import type { NamespaceIdentity, NsmError } from '@nsm/api';
import { identityOf } from '../state/namespace-identity.js';

/** Pods and services of which the last refusal is remembered, the latest: whoever asks for many services costs no more memory. */
const most = 1024;

export interface Refusal {
  readonly requestId: string;
  readonly error: NsmError;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export class Refusals {
  readonly #now: () => number;
  readonly #last = new Map<string, Refusal>();

  /** @param now milliseconds since the Unix epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  note(pod: NamespaceIdentity, service: string, requestId: string, error: NsmError): void {
    const key = keyOf(pod, service);
    this.#last.delete(key);
    this.#last.set(key, { requestId, error, at: this.#now() });
    const [oldest] = this.#last.keys();
    if (this.#last.size > most && oldest !== undefined) this.#last.delete(oldest);
  }

  /** The pod has what it asked for. */
  forget(pod: NamespaceIdentity, service: string): void {
    if (this.#last.size > 0) this.#last.delete(keyOf(pod, service));
  }

  of(pod: NamespaceIdentity, service: string): Refusal | undefined {
    return this.#last.get(keyOf(pod, service));
  }
}

function keyOf(pod: NamespaceIdentity, service: string): string {
  return `${identityOf(pod)} ${service}`;
}
