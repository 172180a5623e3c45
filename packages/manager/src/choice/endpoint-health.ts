// Remembers which endpoints failed lately and which was chosen when, for the ranking of candidates.
import type { NetworkServiceEndpoint } from '@nsm/api';
import { type EndpointKey, endpointKey } from '@nsm/registry';

/** Milliseconds for which an endpoint that failed is tried last. */
const failureLastsMs = 30_000;

export class EndpointHealth {
  readonly #now: () => number;
  readonly #failures = new Map<string, { readonly reason: string; readonly until: number }>();
  readonly #chosen = new Map<string, number>();
  #choices = 0;

  /** @param now monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  failed(endpoint: NetworkServiceEndpoint, reason: string): void {
    this.#failures.set(endpointKey(endpoint), { reason, until: this.#now() + failureLastsMs });
  }

  chosen(endpoint: NetworkServiceEndpoint): void {
    this.#chosen.set(endpointKey(endpoint), ++this.#choices);
    this.#failures.delete(endpointKey(endpoint));
  }

  recentFailure(endpoint: NetworkServiceEndpoint): string | undefined {
    const failure = this.#failures.get(endpointKey(endpoint));
    return failure && failure.until > this.#now() ? failure.reason : undefined;
  }

  lastChosen(endpoint: NetworkServiceEndpoint): number {
    return this.#chosen.get(endpointKey(endpoint)) ?? 0;
  }

  forget(endpoint: EndpointKey): void {
    this.#failures.delete(endpointKey(endpoint));
    this.#chosen.delete(endpointKey(endpoint));
  }
}
