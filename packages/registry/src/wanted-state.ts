// What this process wants in the registry: written now, renewed, and written again whenever it got lost.
import { equals } from '@bufbuild/protobuf';
import { type NetworkServiceEndpoint, NetworkServiceEndpointSchema, NsmError } from '@nsm/api';
import { type Clock, pause } from './clock.js';
import type { RecordCache } from './record-cache.js';
import type { EndpointRemoval, ManagerRecord, RecordWriter, RegistryLogger } from './registry.js';
import {
  endpointKey,
  validClaim,
  validEndpoint,
  validKey,
  validLease,
  validManager,
  validName,
} from './valid-record.js';

/** One wanted fact. The latest wish about a thing replaces the one before. */
interface Wish {
  readonly write: () => Promise<unknown>;
  /** A removal is forgotten when it is done. */
  readonly once?: boolean;
  /** The manager with which the wish ends. */
  readonly owner?: string;
  /** True when a registry that is back still has it. Default: never sure. */
  readonly survived?: () => boolean;
  /** True while it is to be written, or written again. */
  due: boolean;
  /** Settles with the write that its author waits for. */
  done: Promise<unknown>;
  /** Of a claim while it is being written: who has it. */
  winner?: Promise<string> | undefined;
}

export interface WantedOptions {
  readonly clock: Clock;
  readonly logger: RegistryLogger;
  /** Named in errors. */
  readonly url: string;
  /** How long a write is tried before its author is told that the registry does not answer, milliseconds. */
  readonly patienceMs: number;
}

/** Writes under way at the same time when everything is written again. */
const lanes = 32;
/** Pause between attempts of one write, milliseconds: doubles from first to last. */
const retryPause = { first: 20, last: 200 };

export class WantedState implements RecordWriter {
  readonly #writer: RecordWriter;
  readonly #cache: RecordCache;
  readonly #clock: Clock;
  readonly #logger: RegistryLogger;
  readonly #url: string;
  readonly #patienceMs: number;
  /** By `manager/NAME`, `endpoint/KEY` and `claim/NAME/HOLDER`. */
  readonly #wishes = new Map<string, Wish>();
  readonly #renewals = new Map<string, Disposable>();
  readonly #stopped = new AbortController();
  readonly #watch: Disposable;
  #asserting: Promise<void> = Promise.resolve();
  #queued = false;
  /** True from the first pass that failed to the next that did not: one outage is told once. */
  #told = false;

  constructor(writer: RecordWriter, cache: RecordCache, options: WantedOptions) {
    this.#writer = writer;
    this.#cache = cache;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#url = options.url;
    this.#patienceMs = options.patienceMs;
    // What somebody else removes is written again with the next renewal.
    this.#watch = cache.watch(({ event }) => {
      if (event.case === 'managerRemoved') {
        for (const wish of this.#wishes.values()) if (wish.owner === event.value) wish.due = true;
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
    const wish = this.#want(key, { write: () => this.#writer.registerManager(manager, leaseMs) });
    this.#renewals.get(key)?.[Symbol.dispose]();
    this.#renew(key, wish, leaseMs / 3);
    await wish.done;
  }

  async removeManager(name: string): Promise<void> {
    validName(name, 'manager name');
    for (const [key, { owner }] of this.#wishes) if (owner === name) this.#wishes.delete(key);
    await this.#want(`manager/${name}`, { write: () => this.#writer.removeManager(name), once: true }).done;
  }

  async endLease(name: string): Promise<void> {
    validName(name, 'manager name');
    await this.#want(`manager/${name}`, { write: () => this.#writer.endLease(name), once: true }).done;
  }

  async registerEndpoint(record: NetworkServiceEndpoint): Promise<void> {
    const endpoint = validEndpoint(record);
    await this.#want(`endpoint/${endpointKey(endpoint)}`, {
      write: () => this.#writer.registerEndpoint(endpoint),
      owner: endpoint.networkServiceHost,
      survived: () => {
        const present = this.#cache.endpoint(endpoint);
        // If another manager registered the same endpoint later, it has it: writing again would never end.
        if (present && present.networkServiceHost !== endpoint.networkServiceHost) return true;
        return present !== undefined && equals(NetworkServiceEndpointSchema, present, endpoint);
      },
    }).done;
  }

  async removeEndpoint({ networkServiceHost, ...record }: EndpointRemoval): Promise<void> {
    const key = validKey(record);
    const removal = networkServiceHost ? { ...key, networkServiceHost } : key;
    const write = (): Promise<void> => this.#writer.removeEndpoint(removal);
    await this.#want(`endpoint/${endpointKey(key)}`, { write, once: true }).done;
  }

  /** Who asks for what is just being claimed hears the same, at the same time. */
  async claim(name: string, holder: string): Promise<string> {
    validClaim(name);
    validName(holder, 'claim holder');
    const key = `claim/${name}/${holder}`;
    const underWay = this.#wishes.get(key)?.winner;
    if (underWay) return await underWay;
    let winner: string | undefined;
    const wish = this.#want(key, {
      write: async () => {
        const had = winner === holder;
        winner = await this.#writer.claim(name, holder);
        if (winner === holder) return;
        this.#forget(key, wish);
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
      // It may have been taken all the same, and nobody would know. The next who claims it does not wait for that.
      if (this.#wishes.get(key) === wish)
        this.#wishes.set(key, { ...this.#release(name, holder), due: true, done: Promise.resolve() });
      throw error;
    }
  }

  async releaseClaim(name: string, holder: string): Promise<void> {
    validClaim(name);
    validName(holder, 'claim holder');
    await this.#want(`claim/${name}/${holder}`, this.#release(name, holder)).done;
  }

  /** The registry is back: writes what it does not have as it is wanted. Never rejects. */
  async assertAll(): Promise<void> {
    for (const wish of this.#wishes.values()) wish.due ||= !(wish.survived?.() ?? false);
    await this.#assertDue();
  }

  /** Forgets everything; writes that are being tried reject with kind `stopping`. */
  stop(): void {
    this.#stopped.abort();
    this.#watch[Symbol.dispose]();
    for (const renewal of this.#renewals.values()) renewal[Symbol.dispose]();
    this.#renewals.clear();
    this.#wishes.clear();
  }

  #release(name: string, holder: string): Pick<Wish, 'write' | 'once'> {
    return { write: () => this.#writer.releaseClaim(name, holder), once: true };
  }

  #want(key: string, wanted: Omit<Wish, 'due' | 'done'>): Wish {
    const before = this.#wishes.get(key)?.done ?? Promise.resolve();
    const wish: Wish = { ...wanted, due: true, done: before };
    // The writes about one thing go out one after the other, or the earlier could win.
    wish.done = before.catch(() => undefined).then(() => this.#insist(key, wish));
    this.#wishes.set(key, wish);
    return wish;
  }

  #forget(key: string, wish: Wish): void {
    if (this.#wishes.get(key) === wish) this.#wishes.delete(key);
  }

  async #write(key: string, wish: Wish): Promise<void> {
    wish.due = false;
    try {
      await wish.write();
      if (wish.once) this.#forget(key, wish);
    } catch (thrown) {
      wish.due = true;
      throw thrown;
    }
  }

  /** Tries until it is written, refused, replaced, or patience ends. */
  async #insist(key: string, wish: Wish): Promise<void> {
    const deadline = this.#clock.now() + this.#patienceMs;
    // One that waits for an earlier write may be replaced: both go out. But it may have ended with its manager.
    if (this.#stopped.signal.aborted || !this.#wishes.has(key)) throw this.#overtaken();
    for (let wait = retryPause.first; ; wait = Math.min(wait * 2, retryPause.last)) {
      let failure: NsmError;
      try {
        return await this.#write(key, wish);
      } catch (thrown) {
        failure = NsmError.from(thrown);
      }
      if (isRefusal(failure)) {
        this.#forget(key, wish);
        throw failure;
      }
      if (this.#stopped.signal.aborted) throw this.#overtaken();
      if (this.#wishes.get(key) === wish && this.#clock.now() + wait > deadline) {
        if (failure.kind === 'registry') throw failure;
        throw new NsmError('registry', `registry ${this.#url} does not answer: ${failure.message}`, failure);
      }
      await pause(this.#clock, wait, this.#stopped.signal);
      if (this.#wishes.get(key) !== wish) throw this.#overtaken();
    }
  }

  #overtaken(): NsmError {
    return this.#stopped.signal.aborted
      ? new NsmError('stopping', 'the registry client was stopped')
      : new NsmError('cancelled', 'a later write to the registry took the place of this one');
  }

  /** One pass at a time, and at most one behind it. */
  #assertDue(): Promise<void> {
    if (this.#queued) return this.#asserting;
    this.#queued = true;
    this.#asserting = this.#asserting.then(() => {
      this.#queued = false;
      return this.#pass();
    });
    return this.#asserting;
  }

  /** Managers first: they own the rest. Ends early when the registry does not answer. */
  async #pass(): Promise<void> {
    const due = [...this.#wishes].filter(([, wish]) => wish.due);
    const isManager = ([key]: readonly [string, Wish]): boolean => key.startsWith('manager/');
    let failure: NsmError | undefined;
    const lane = async (entries: Iterator<[string, Wish]>): Promise<void> => {
      for (let next = entries.next(); !next.done && !failure; next = entries.next()) {
        failure = (await this.#again(...next.value)) ?? failure;
      }
    };
    await lane(due.filter(isManager).values());
    const rest = due.filter((entry) => !isManager(entry)).values();
    await Promise.all(Array.from({ length: lanes }, () => lane(rest)));
    if (failure && !this.#told)
      this.#logger.warn(
        { err: failure },
        'the registry does not take what is to be written; trying again until it does',
      );
    if (failure || due.length > 0) this.#told = failure !== undefined;
  }

  /** Returns an error when the registry does not answer. */
  async #again(key: string, wish: Wish): Promise<NsmError | undefined> {
    await wish.done.catch(() => undefined);
    if (this.#wishes.get(key) !== wish || !wish.due) return undefined;
    try {
      return void (await this.#write(key, wish));
    } catch (thrown) {
      const error = NsmError.from(thrown);
      if (!isRefusal(error)) return error;
      this.#logger.error({ err: error, record: key }, 'the registry refuses a record; trying again later');
      return undefined;
    }
  }

  /** Renews while the manager is wanted; whatever else is due goes along. */
  #renew(key: string, wish: Wish, periodMs: number): void {
    const renewal = this.#clock.after(periodMs, () => {
      if (this.#wishes.get(key) !== wish) return void this.#renewals.delete(key);
      wish.due = true;
      this.#renew(key, wish, periodMs);
      void this.#assertDue();
    });
    this.#renewals.set(key, renewal);
  }
}

/** The registry understood and said no; anything else may succeed later. */
function isRefusal({ kind }: NsmError): boolean {
  return kind === 'invalid' || kind === 'conflict';
}
