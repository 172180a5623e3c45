// The kinds of tunnel towards other nodes, as the forwarder offered them: asked for once, until it says that they changed.
import type { forwarder as fw } from '@nsm/api';
import type { Forwarder } from '../forwarder-client.js';

/** Nodes whose offers are kept at most. */
const maxKept = 4096;

/** In the forwarder's order of preference; what works on this node and does not lead to the other; and the way to the other. */
export type Offer = Pick<fw.OfferTunnelsReply, 'tunnels' | 'obstacles' | 'way'>;

export class TunnelOffers {
  readonly #forwarder: Forwarder;
  readonly #local: string;
  readonly #offers = new Map<string, Promise<Offer>>();
  #listening = false;

  /** @param local this node's underlay address; '' leaves it to the kernel. */
  constructor(forwarder: Forwarder, local: string) {
    this.#forwarder = forwarder;
    this.#local = local;
  }

  /**
   * @param remote the other node's underlay address.
   * @throws NsmError `dataplane` when there is no route.
   */
  async to(remote: string): Promise<Offer> {
    const kept = this.#offers.get(remote);
    if (kept) return await kept;
    const asked: Promise<Offer> = this.#forwarder.offerTunnels({ remote, local: this.#local });
    if (this.#listening) {
      if (this.#offers.size >= maxKept) this.#offers.clear();
      this.#offers.set(remote, asked);
      asked.catch(() => this.#offers.delete(remote));
    }
    return await asked;
  }

  /** Offers are kept only while the forwarder's word of changes arrives. */
  listen(listening: boolean): void {
    this.#listening = listening;
    this.#offers.clear();
  }

  forget(): void {
    this.#offers.clear();
  }
}
