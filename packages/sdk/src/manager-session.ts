// What all connections of a process to one manager share: a channel, and a watch that tells each of its own changes.
import { setTimeout as pause } from 'node:timers/promises';
import { connect, NsmError } from '@nsm/api';
import { isManagerGone, ManagerLink } from './manager-link.js';

/** Somebody who wants to know what becomes of one connection. */
export interface Follower {
  readonly requestId: string;
  readonly service: string;
  heard(event: connect.ConnectionEvent): void;
  /**
   * The manager does not list the connection: it ended unseen, or, with `restarted`, this may be another manager.
   * Rejects when it wants to be asked again later.
   */
  missing(restarted: boolean): Promise<void>;
  /** There will be no more news, for a reason that trying again does not mend. */
  failed(error: NsmError): void;
}

/** Milliseconds between two attempts to reach a manager that restarts. */
const retryMs = 200;

const sessions = new Map<string, ManagerSession>();

export class ManagerSession implements Disposable {
  readonly link: ManagerLink;
  readonly #followers = new Set<Follower>();
  #users = 0;
  #watching: AbortController | undefined;

  private constructor(socket: string) {
    this.link = new ManagerLink(socket);
  }

  /** The process's session with the manager at `socket`; each user disposes of it once. */
  static use(socket: string): ManagerSession {
    const session = sessions.get(socket) ?? new ManagerSession(socket);
    sessions.set(socket, session);
    session.#users++;
    return session;
  }

  /** Tells `follower` of every change from now on. Returns what ends that. */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    if (!this.#watching) {
      this.#watching = new AbortController();
      void this.#watch(this.#watching.signal);
    }
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size > 0) return;
      this.#watching?.abort();
      this.#watching = undefined;
    };
  }

  [Symbol.dispose](): void {
    this.#users--;
    if (this.#users > 0) return;
    this.#watching?.abort();
    sessions.delete(this.link.socket);
    this.link[Symbol.dispose]();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for (let restarted = false; !signal.aborted; restarted = true) {
      try {
        await this.#listen(signal, restarted);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = this.link.explain(thrown, signal);
        // What was too much is told from the start when it watches again.
        if (!isManagerGone(error) && error.kind !== 'overload') {
          // A manager of the original API has no watch: connections are used without news of them.
          if (error.kind !== 'unimplemented')
            for (const follower of [...this.#followers]) follower.failed(error);
          return;
        }
      }
      await pause(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #listen(signal: AbortSignal, restarted: boolean): Promise<void> {
    // Who comes later has just heard from this manager that it is connected.
    const unseen = new Set(this.#followers);
    const events = this.link.channel.client(connect.ClientConnection).watchConnections({}, { signal });
    for await (const event of events) {
      if (signal.aborted) return;
      if (event.kind === connect.ConnectionEvent_Kind.SYNCED) {
        const missing = [...unseen].filter((follower) => this.#followers.has(follower));
        await Promise.all(missing.map((follower) => follower.missing(restarted)));
        continue;
      }
      for (const follower of this.#followers) {
        if (follower.requestId !== event.requestId || follower.service !== event.networkServiceName) continue;
        unseen.delete(follower);
        follower.heard(event);
      }
    }
    throw new NsmError('unavailable', 'the manager ended the watch');
  }
}
