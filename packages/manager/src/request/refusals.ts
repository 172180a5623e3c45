// Why the last request of a pod for a network service was refused, or what its caller did not wait for: operators ask for it later, when nobody has the answer any more.
import type { connect, NamespaceIdentity, NsmError, Subject } from '@nsm/api';
import { identityOf } from '../state/namespace-identity.js';

/** Pods and services of which the last refusal is remembered, the latest: whoever asks for many services costs no more memory. */
const most = 1024;

/** A request that was refused, with all that the choice of an endpoint looks at. */
export interface Refusal
  extends Pick<connect.ConnectionRequest, 'requestId' | 'networkServiceName' | 'interface' | 'labels'> {
  readonly client: Subject;
  readonly error: NsmError;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

interface Kept extends Refusal {
  readonly pod: NamespaceIdentity;
}

export class Refusals {
  readonly #now: () => number;
  readonly #last = new Map<string, Kept>();

  /** @param now milliseconds since the Unix epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  note(
    pod: NamespaceIdentity,
    request: Omit<Refusal, 'client' | 'error' | 'at'>,
    client: Subject,
    error: NsmError,
  ): void {
    const { requestId, networkServiceName, interface: interfaces, labels } = request;
    const key = keyOf(pod, networkServiceName);
    this.#last.delete(key);
    this.#last.set(key, {
      ...{ pod, requestId, networkServiceName, interface: interfaces, client, error, at: this.#now() },
      ...(labels ? { labels } : {}),
    });
    const [oldest] = this.#last.keys();
    if (this.#last.size > most && oldest !== undefined) this.#last.delete(oldest);
  }

  forget(pod: NamespaceIdentity, service: string): void {
    if (this.#last.size > 0) this.#last.delete(keyOf(pod, service));
  }

  of(pod: NamespaceIdentity, service: string): Refusal | undefined {
    return this.#last.get(keyOf(pod, service));
  }

  /** Of every pod, or of one; the latest first. Callers that gave up were not refused. */
  recent(of?: NamespaceIdentity): Kept[] {
    const identity = of && identityOf(of);
    return [...this.#last.values()]
      .filter(({ pod, error }) => error.kind !== 'cancelled' && (!of || identityOf(pod) === identity))
      .toReversed();
  }
}

function keyOf(pod: NamespaceIdentity, service: string): string {
  return `${identityOf(pod)} ${service}`;
}
