// One manager that is asked: what it told last, while it answers and when it does not any more.

import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectionView } from '@nsm/views/connection-view';
import type { Look, ManagerFeed } from '../manager-feed.js';
import type { Counters } from '../model.js';
import { notAskedYet, type Told } from './mesh-things.js';

/** Milliseconds until a manager that did not answer is asked again. */
const retryMs = 1000;

export class FollowedManager implements AsyncDisposable {
  readonly feed: ManagerFeed;
  readonly #onNews: () => void;
  readonly #ending = new AbortController();
  readonly #watching: Promise<void>;
  #connections = new Map<string, ConnectionView>();
  #look: Omit<Look, 'connections'> | undefined;
  #silent: string = notAskedYet;
  #wasAsked = false;
  #looking: Promise<void> | undefined;

  /** @param name of the manager, where that is known. @param onNews is called whenever something may be different. */
  constructor(feed: ManagerFeed, name: string, onNews: () => void) {
    this.feed = feed;
    this.#onNews = onNews;
    if (name) this.#look = { name, troubles: [], managers: [], endpoints: [] };
    this.#watching = this.#watch();
  }

  /** Undefined until its name is known. */
  get told(): Told | undefined {
    if (!this.#look) return undefined;
    return { ...this.#look, connections: this.#connections.values(), silent: this.#silent };
  }

  /** Why it has never said its name; '' when it has. */
  get unknown(): string {
    return this.#look ? '' : `the manager at ${this.feed.where}: ${this.#silent}`;
  }

  /** Whether it has answered, or failed to, at least once. */
  get wasAsked(): boolean {
    return this.#wasAsked;
  }

  /** Of those of its connections that it has counted. */
  get counters(): [id: string, Counters][] {
    return [...this.#connections.values()].flatMap(({ id, statistics }) =>
      statistics
        ? [
            [
              id,
              {
                rxBytes: statistics.receivedBytes,
                txBytes: statistics.sentBytes,
                rxPackets: statistics.receivedPackets,
                txPackets: statistics.sentPackets,
                drops: statistics.receivedDrops + statistics.sentDrops,
                ...(Object.keys(statistics.drops).length > 0 ? { reasons: statistics.drops } : {}),
              },
            ],
          ]
        : [],
    );
  }

  /**
   * Asks for everything; never rejects. Asked again before there is an answer, it waits for that one.
   * @param roundTrips whether they are measured; those of an earlier look stay otherwise.
   */
  look(roundTrips: boolean = false): Promise<void> {
    this.#looking ??= this.#lookOnce(roundTrips).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(roundTrips: boolean): Promise<void> {
    try {
      const { connections, ...look } = await this.feed.look(roundTrips, this.#ending.signal);
      this.#look = look;
      const before = this.#connections;
      const kept = ({ id, roundTripUs }: ConnectionView): number | null =>
        roundTrips ? roundTripUs : (before.get(id)?.roundTripUs ?? null);
      this.#connections = new Map(connections.map((one) => [one.id, { ...one, roundTripUs: kept(one) }]));
      this.#silent = '';
    } catch (error) {
      this.#fall(error);
    }
    this.#wasAsked = true;
    this.#onNews();
  }

  #fall(error: unknown): void {
    if (!this.#ending.signal.aborted) this.#silent = (error as Error).message;
  }

  /** Hears of changes as they happen. */
  async #watch(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await this.look();
        for await (const { kind, connection } of this.feed.watch(signal)) {
          if (!connection) continue;
          if (kind === 'removed') this.#connections.delete(connection.id);
          else this.#connections.set(connection.id, this.#withPast(connection));
          this.#onNews();
        }
      } catch (error) {
        this.#fall(error);
        this.#onNews();
      }
      await pause(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** A change tells neither counters nor the past: those of the last look stay until the next. */
  #withPast(connection: ConnectionView): ConnectionView {
    const was = this.#connections.get(connection.id);
    if (!was) return connection;
    const { statistics, history, lastOrder, roundTripUs, heals } = was;
    return { ...connection, statistics, history, lastOrder, roundTripUs, heals };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.feed[Symbol.dispose]();
    await this.#watching;
  }
}
