// The watches of a registry: one of each manager, whatever it opens.
import { type CallContext, NsmError } from '@nsm/api';

/** Of one host, where nobody shows a certificate: as many managers may run there. */
const mostOfHost = 64;

export class Watches {
  /** What ends the watch of each manager. */
  readonly #ofManagers = new Map<string, AbortController>();
  readonly #ofHosts = new Map<string, number>();

  /**
   * Counts a watch until the returned object is disposed of. `signal` aborts when a newer one of the same manager takes its place.
   * @throws NsmError `overload` when a host that shows no certificate has too many.
   */
  begin({ identity, remoteAddress = '' }: Pick<CallContext, 'identity' | 'remoteAddress'>): Disposable & {
    readonly signal: AbortSignal;
  } {
    const ending = new AbortController();
    if (!identity) {
      const count = this.#ofHosts.get(remoteAddress) ?? 0;
      if (count >= mostOfHost)
        throw new NsmError(
          'overload',
          `${count} watches of host ${remoteAddress} are open: a manager needs one`,
        );
      this.#ofHosts.set(remoteAddress, count + 1);
      return { signal: ending.signal, [Symbol.dispose]: () => this.#leave(remoteAddress) };
    }
    const manager = `${identity.domain}/${identity.kind}/${identity.name}`;
    this.#ofManagers
      .get(manager)
      ?.abort(new NsmError('conflict', 'a newer watch of the same manager has taken its place'));
    this.#ofManagers.set(manager, ending);
    return {
      signal: ending.signal,
      [Symbol.dispose]: () => {
        if (this.#ofManagers.get(manager) === ending) this.#ofManagers.delete(manager);
      },
    };
  }

  #leave(host: string): void {
    const left = (this.#ofHosts.get(host) ?? 1) - 1;
    if (left > 0) this.#ofHosts.set(host, left);
    else this.#ofHosts.delete(host);
  }
}
