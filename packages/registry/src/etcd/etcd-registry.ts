// `etcd://HOST:2379,…[/PREFIX]`: the records are in an etcd, of which every manager asks one member after the other.
import { NsmError } from '@nsm/api';
import { pause } from '../clock.js';
import { type FollowingOptions, FollowingRegistry } from '../following/following-registry.js';
import type { WantedState } from '../following/wanted-state.js';
import type { RecordWriter, RegistryMember } from '../registry.js';
import { EtcdAccess, type EtcdMember, type EtcdOptions } from './etcd-access.js';
import { EtcdCopy } from './etcd-copy.js';
import { EtcdHistory } from './etcd-history.js';
import { EtcdKeys } from './etcd-keys.js';
import { EtcdSession } from './etcd-session.js';
import { isLoopback, parseEtcdUrl } from './etcd-url.js';
import { EtcdWriter } from './etcd-writer.js';

export interface EtcdRegistryOptions extends FollowingOptions {
  readonly etcd?: EtcdOptions;
}

/** Milliseconds between two questions that only a member with a majority of the others can answer; a quarter more or less. */
const askEveryMs = 5000;
/** The same while calls fail, and milliseconds for an answer then: a write has time left for another member. */
const inDoubt = { askEveryMs: 200, answerWithinMs: 750 };

export class EtcdRegistry extends FollowingRegistry {
  protected readonly wanted: WantedState;
  /** Each write as one that is tried once. */
  protected readonly writer: RecordWriter;
  readonly #access: EtcdAccess;
  readonly #keys: EtcdKeys;
  readonly #history: EtcdHistory;
  #turn: number;
  #session: EtcdSession | undefined;
  /** Aborted when a call has failed: the member may be one that the others do not hear. */
  #doubt = new AbortController();

  /** @throws NsmError `invalid` when URL and options do not fit together. */
  constructor(url: string, options: EtcdRegistryOptions = {}) {
    super(url, options);
    const parsed = parseEtcdUrl(url);
    this.#access = new EtcdAccess(parsed, options.etcd ?? {});
    if (!this.#access.tls && !parsed.members.every(isLoopback))
      this.logger.warn(
        { security: 'insecure', registry: url },
        'plain text with etcd: whoever is on the way can do as a manager can; use etcds://',
      );
    this.#turn = Math.floor(Math.random() * parsed.members.length);
    this.#keys = new EtcdKeys(parsed.prefix);
    const copy = new EtcdCopy(this.cache, this.#keys, this.logger);
    this.#history = new EtcdHistory(this.#keys, copy);
    const { credentials } = options;
    this.writer = new EtcdWriter(
      { keys: this.#keys, copy, cache: this.cache, session: () => this.#connected() },
      () => credentials?.current.identity,
    );
    this.wanted = this.wantedThrough(this.writer, this.writePatienceMs);
  }

  /** Each by a connection of its own, and by a question that only a member with a majority of the others can answer. */
  async members(): Promise<readonly RegistryMember[]> {
    const turns = Array.from({ length: this.#access.size }, (_, turn) => turn);
    return await Promise.all(turns.map((turn) => this.#ask(this.#access.member(turn))));
  }

  async #ask(member: EtcdMember): Promise<RegistryMember> {
    const started = performance.now();
    using session = new EtcdSession(member, () => undefined);
    const error = await session.range({ key: this.#keys.store }).then(
      () => '',
      (thrown: unknown) => NsmError.from(thrown).message,
    );
    return { address: member.address, error, elapsedMs: performance.now() - started };
  }

  protected async follow(complete: () => void): Promise<void> {
    const session = this.#connected();
    const ended = new AbortController();
    const signal = AbortSignal.any([this.stopped, ended.signal]);
    void this.#keepAsking(session, signal).catch((error) => ended.abort(error));
    try {
      await this.#history.follow(session, complete, signal);
    } finally {
      ended.abort();
    }
  }

  protected reconnect(): void {
    this.disconnect();
    this.#turn += 1;
  }

  protected disconnect(): void {
    this.#session?.[Symbol.dispose]();
    this.#session = undefined;
  }

  /** Writes do not wait for the watch to begin again. */
  #connected(): EtcdSession {
    if (this.stopped.aborted) throw new NsmError('stopping', 'the registry client was stopped');
    if (this.#session) return this.#session;
    try {
      this.#session = new EtcdSession(this.#access.member(this.#turn), () => this.#doubt.abort());
      return this.#session;
    } catch (error) {
      // Files that are being replaced: no record is refused for that.
      throw new NsmError('registry', NsmError.from(error).message, error);
    }
  }

  /** Rejects when the member does not answer any more as one that is heard by the others. */
  async #keepAsking(session: EtcdSession, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.clock, inDoubt.askEveryMs, signal);
      const wait = askEveryMs * (0.75 + Math.random() / 2) - inDoubt.askEveryMs;
      await pause(this.clock, wait, AbortSignal.any([signal, this.#doubt.signal]));
      const withinMs = this.#doubt.signal.aborted ? inDoubt.answerWithinMs : undefined;
      this.#doubt = new AbortController();
      if (!signal.aborted) await session.range({ key: this.#keys.store }, withinMs);
    }
  }
}
