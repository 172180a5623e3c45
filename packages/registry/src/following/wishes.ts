// Writes that are insisted on: each is tried until the registry has taken or refused it, and written again when it got lost.
import { NsmError } from '@nsm/api';
import { type Clock, pause } from '../clock.js';
import type { RegistryLogger } from '../registry.js';

/** A wanted fact. The latest wish about a thing replaces the wish before. */
export interface Wish {
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

export interface WishesOptions {
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

export class Wishes {
  readonly #options: WishesOptions;
  /** By the thing that is wished for, as `KIND/NAME`. */
  readonly #wishes = new Map<string, Wish>();
  readonly #stopped = new AbortController();
  #asserting: Promise<void> = Promise.resolve();
  #queued = false;
  /** True from the first pass that failed to the next that did not: one outage is told once. */
  #told = false;

  constructor(options: WishesOptions) {
    this.#options = options;
  }

  get(key: string): Wish | undefined {
    return this.#wishes.get(key);
  }

  [Symbol.iterator](): Iterator<[string, Wish]> {
    return this.#wishes[Symbol.iterator]();
  }

  /** Begins to write; `done` of what is returned rejects when the write is refused, replaced, or not taken in time. */
  want(key: string, wanted: Omit<Wish, 'due' | 'done'>): Wish {
    const before = this.#wishes.get(key)?.done ?? Promise.resolve();
    const wish: Wish = { ...wanted, due: true, done: before };
    // The writes about one thing go out one after the other, or the earlier could win.
    wish.done = before.catch(() => undefined).then(() => this.#insist(key, wish));
    this.#wishes.set(key, wish);
    return wish;
  }

  /** Writes no more of the thing, unless another wish about it came meanwhile. */
  forget(key: string, wish: Wish): void {
    if (this.#wishes.get(key) === wish) this.#wishes.delete(key);
  }

  /** As `forget`, and the next pass writes `wanted` in its place. */
  replace(key: string, wish: Wish, wanted: Omit<Wish, 'due' | 'done'>): void {
    if (this.#wishes.get(key) === wish)
      this.#wishes.set(key, { ...wanted, due: true, done: Promise.resolve() });
  }

  /** The registry is back: writes what it does not have as it is wanted. Never rejects. */
  async assertAll(): Promise<void> {
    for (const wish of this.#wishes.values()) wish.due ||= !(wish.survived?.() ?? false);
    await this.assertDue();
  }

  /** Writes what is due: a pass at a time, and at most one behind it. Never rejects. */
  assertDue(): Promise<void> {
    if (this.#queued) return this.#asserting;
    this.#queued = true;
    this.#asserting = this.#asserting.then(() => {
      this.#queued = false;
      return this.#pass();
    });
    return this.#asserting;
  }

  /** Forgets everything; writes that are being tried reject with kind `stopping`. */
  stop(): void {
    this.#stopped.abort();
    this.#wishes.clear();
  }

  async #write(key: string, wish: Wish): Promise<void> {
    wish.due = false;
    try {
      await wish.write();
      if (wish.once) this.forget(key, wish);
    } catch (thrown) {
      wish.due = true;
      throw thrown;
    }
  }

  /** Tries until it is written, refused, replaced, or patience ends. */
  async #insist(key: string, wish: Wish): Promise<void> {
    const { clock, patienceMs, url } = this.#options;
    const deadline = clock.now() + patienceMs;
    // A wish that waits for an earlier write may be replaced: both go out. But the wish may have ended with its manager.
    if (this.#stopped.signal.aborted || !this.#wishes.has(key)) throw this.#overtaken();
    for (let wait = retryPause.first; ; wait = Math.min(wait * 2, retryPause.last)) {
      let failure: NsmError;
      try {
        return await this.#write(key, wish);
      } catch (thrown) {
        failure = NsmError.from(thrown);
      }
      if (isRefusal(failure)) {
        this.forget(key, wish);
        throw failure;
      }
      if (this.#stopped.signal.aborted) throw this.#overtaken();
      if (this.#wishes.get(key) === wish && clock.now() + wait > deadline) {
        if (failure.kind === 'registry') throw failure;
        throw new NsmError('registry', `registry ${url} does not answer: ${failure.message}`, failure);
      }
      await pause(clock, wait, this.#stopped.signal);
      if (this.#wishes.get(key) !== wish) throw this.#overtaken();
    }
  }

  #overtaken(): NsmError {
    return this.#stopped.signal.aborted
      ? new NsmError('stopping', 'the registry client was stopped')
      : new NsmError('cancelled', 'a later write to the registry took the place of this one');
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
      this.#options.logger.warn(
        { err: failure },
        'the registry does not take what is to be written; trying again until it does',
      );
    if (failure || due.length > 0) this.#told = failure !== undefined;
  }

  /** Returns an error when the registry does not answer. */
  async #again(key: string, wish: Wish): Promise<NsmError | undefined> {
    await wish.done.catch(() => undefined);
    if (this.#wishes.get(key) !== wish || !wish.due) return undefined;
    const writing = this.#write(key, wish);
    // What is wished of the same thing meanwhile goes out afterwards: a renewal that comes late would undo a removal.
    wish.done = writing;
    try {
      return void (await writing);
    } catch (thrown) {
      const error = NsmError.from(thrown);
      if (!isRefusal(error)) return error;
      this.#options.logger.error(
        { err: error, record: key },
        'the registry refuses a record; trying again later',
      );
      return undefined;
    }
  }
}

/** The registry understood and said no; anything else may succeed later. */
function isRefusal({ kind }: NsmError): boolean {
  return kind === 'invalid' || kind === 'conflict';
}
