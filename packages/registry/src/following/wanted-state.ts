// What this process wants in the registry: managers, whose leases are renewed, endpoints and claims.
import { equals } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NetworkServiceEndpointSchema } from '@nsm/api';
import type { Clock } from '../clock.js';
import type { RecordCache } from '../records/record-cache.js';
import {
  endpointKey,
  validClaim,
  validEndpoint,
  validKey,
  validLease,
  validManager,
  validName,
} from '../records/valid-record.js';
import type { EndpointRemoval, ManagerRecord, RecordWriter, RegistryLogger } from '../registry.js';
import { type Wish, Wishes, type WishesOptions } from './wishes.js';

export class WantedState implements RecordWriter {
  readonly #writer: RecordWriter;
  readonly #cache: RecordCache;
  readonly #clock: Clock;
  readonly #logger: RegistryLogger;
  /** By `manager/NAME`, `endpoint/KEY` and `claim/NAME/HOLDER`. */
  readonly #wishes: Wishes;
  readonly #renewals = new Map<string, Disposable>();
  readonly #watch: Disposable;

  constructor(writer: RecordWriter, cache: RecordCache, options: WishesOptions) {
    this.#writer = writer;
    this.#cache = cache;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#wishes = new Wishes(options);
    // What somebody else removes is written again with the next renewal.
    this.#watch = cache.watch(({ event }) => {
      if (event.case === 'managerRemoved') {
        for (const [, wish] of this.#wishes) if (wish.owner === event.value) wish.due = true;
      } else if (event.case === 'endpointRemoved') {
        const wish = this.#wishes.get(`endpoint/${endpointKey(event.value)}`);
        if (wish) wish.due = true;
      }
    });
  }

  async registerManager(record: ManagerRecord, leaseMs: number): Promise<void> {
    const manager = validManager(record);
    validLease(leaseMs);
    const key = `manager/${manager.name}`;
    const wish = this.#wishes.want(key, { write: () => this.#writer.registerManager(manager, leaseMs) });
    this.#renewals.get(key)?.[Symbol.dispose]();
    this.#renew(key, wish, leaseMs / 3);
    await wish.done;
  }

  async removeManager(name: string): Promise<void> {
    validName(name, 'manager name');
    for (const [key, wish] of this.#wishes) if (wish.owner === name) this.#wishes.forget(key, wish);
    await this.#wishes.want(`manager/${name}`, { write: () => this.#writer.removeManager(name), once: true })
      .done;
  }

  async endLease(name: string): Promise<void> {
    validName(name, 'manager name');
    await this.#wishes.want(`manager/${name}`, { write: () => this.#writer.endLease(name), once: true }).done;
  }

  async registerEndpoint(record: NetworkServiceEndpoint): Promise<void> {
    const endpoint = validEndpoint(record);
    await this.#wishes.want(`endpoint/${endpointKey(endpoint)}`, {
      write: () => this.#writer.registerEndpoint(endpoint),
      owner: endpoint.networkServiceHost,
      survived: () => {
        const present = this.#cache.endpoint(endpoint);
        // An endpoint that another manager registered later is that manager's: the two would write it in turn for ever.
        if (present && present.networkServiceHost !== endpoint.networkServiceHost) return true;
        return present !== undefined && equals(NetworkServiceEndpointSchema, present, endpoint);
      },
    }).done;
  }

  async removeEndpoint({ networkServiceHost, ...record }: EndpointRemoval): Promise<void> {
    const key = validKey(record);
    const removal = networkServiceHost ? { ...key, networkServiceHost } : key;
    const write = (): Promise<void> => this.#writer.removeEndpoint(removal);
    await this.#wishes.want(`endpoint/${endpointKey(key)}`, { write, once: true }).done;
  }

  /** Who asks for what is just being claimed hears the same, at the same time. */
  async claim(name: string, holder: string): Promise<string> {
    validClaim(name);
    validName(holder, 'claim holder');
    const key = `claim/${name}/${holder}`;
    const underWay = this.#wishes.get(key)?.winner;
    if (underWay) return await underWay;
    let winner: string | undefined;
    const wish = this.#wishes.want(key, {
      write: async () => {
        const had = winner === holder;
        winner = await this.#writer.claim(name, holder);
        if (winner === holder) return;
        this.#wishes.forget(key, wish);
        if (had) this.#logger.error({ claim: name, holder, winner }, 'a claim was lost to another holder');
      },
      owner: holder,
    });
    wish.winner = wish.done
      .then(() => winner ?? holder)
      .finally(() => {
        wish.winner = undefined;
      });
    try {
      return await wish.winner;
    } catch (error) {
      // The name may have been taken all the same, and is given back. The next claim of the name does not wait for that.
      this.#wishes.replace(key, wish, this.#release(name, holder));
      throw error;
    }
  }

  async releaseClaim(name: string, holder: string): Promise<void> {
    validClaim(name);
    validName(holder, 'claim holder');
    await this.#wishes.want(`claim/${name}/${holder}`, this.#release(name, holder)).done;
  }

  /** The registry is back: writes what it does not have as it is wanted. Never rejects. */
  async assertAll(): Promise<void> {
    await this.#wishes.assertAll();
  }

  /** Forgets everything; writes that are being tried reject with kind `stopping`. */
  stop(): void {
    this.#watch[Symbol.dispose]();
    for (const renewal of this.#renewals.values()) renewal[Symbol.dispose]();
    this.#renewals.clear();
    this.#wishes.stop();
  }

  #release(name: string, holder: string): Pick<Wish, 'write' | 'once'> {
    return { write: () => this.#writer.releaseClaim(name, holder), once: true };
  }

  /** Renews while the manager is wanted; whatever else is due goes along. */
  #renew(key: string, wish: Wish, periodMs: number): void {
    const renewal = this.#clock.after(periodMs, () => {
      if (this.#wishes.get(key) !== wish) return void this.#renewals.delete(key);
      wish.due = true;
      this.#renew(key, wish, periodMs);
      void this.#wishes.assertDue();
    });
    this.#renewals.set(key, renewal);
  }
}
