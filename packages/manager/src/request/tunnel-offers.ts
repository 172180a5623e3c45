// What tunnels this node can make towards others, remembered for a moment: requests come in crowds.
import { clone } from '@bufbuild/protobuf';
import { type Tunnel, TunnelSchema } from '@nsm/api';
import type { Forwarder } from '../admission/namespace-guard.js';

/** Milliseconds for which an answer holds: routes and MTUs of an underlay change rarely. */
const remember = 1000;
/** Other nodes remembered at a time. */
const most = 1024;

export class TunnelOffers {
  readonly #forwarder: Forwarder;
  readonly #local: string;
  readonly #now: () => number;
  readonly #known = new Map<
    string,
    { readonly tunnels: Promise<readonly Tunnel[]>; readonly until: number }
  >();

  /**
   * @param local underlay address of this node's ends; '' takes the one the kernel routes with.
   * @param now monotonic milliseconds.
   */
  constructor(forwarder: Forwarder, local: string, now: () => number) {
    this.#forwarder = forwarder;
    this.#local = local;
    this.#now = now;
  }

  /**
   * The caller's own copy, in order of preference.
   * @param remote underlay address of the other node.
   * @throws NsmError `dataplane` when there is no way to it.
   */
  async towards(remote: string): Promise<Tunnel[]> {
    const known = this.#known.get(remote);
    const tunnels = known && known.until > this.#now() ? known.tunnels : this.#ask(remote);
    return (await tunnels).map((tunnel) => clone(TunnelSchema, tunnel));
  }

  async #ask(remote: string): Promise<readonly Tunnel[]> {
    const tunnels = this.#forwarder
      .offerTunnels({ remote, local: this.#local })
      .then((offer) => offer.tunnels);
    if (this.#known.size >= most) this.#known.clear();
    this.#known.set(remote, { tunnels, until: this.#now() + remember });
    // A failure is not remembered.
    tunnels.catch(() => this.#known.delete(remote));
    return await tunnels;
  }
}
