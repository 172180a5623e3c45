// What registries share whose records are elsewhere: a watch that keeps the copy current, begun again for ever.
import { NsmError } from '@nsm/api';
import { pause } from '../clock.js';
import { CachedRegistry, type RegistryOptions } from './cached-registry.js';

/** How long `start` waits for a registry that answers, milliseconds. */
const startPatienceMs = 1000;
/** Pause before the next connection, milliseconds: doubles from first to last. */
const reconnectPause = { first: 50, last: 2000 };

export interface FollowingOptions extends RegistryOptions {
  /** How long a write is tried until its author hears that the registry does not answer, milliseconds. Default: 3000. */
  readonly writePatienceMs?: number;
}

export abstract class FollowingRegistry extends CachedRegistry {
  protected readonly writePatienceMs: number;
  readonly #stopped = new AbortController();
  #following: Promise<void> | undefined;

  constructor(url: string, options: FollowingOptions) {
    super(url, options);
    this.writePatienceMs = options.writePatienceMs ?? 3000;
  }

  /** Aborts with `stop`. */
  protected get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  /**
   * Brings the copy up to date, calls `complete`, and keeps it current until the watch ends. A rejection of kind `overload` says that
   * the watch was too far behind, which is no failure of the connection.
   */
  protected abstract follow(complete: () => void): Promise<void>;
  /** The connection has failed: the next one is to be another. */
  protected abstract reconnect(): void;
  /** Ends the connection, for good. */
  protected abstract disconnect(): void;

  async start(): Promise<void> {
    if (this.#following) return;
    const tried = new AbortController();
    this.#following = this.#follow(() => tried.abort());
    await pause(this.clock, startPatienceMs, tried.signal);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.wanted.stop();
    this.disconnect();
    await this.#following;
  }

  /** Watches for ever, over a new connection after each failure; `tried` is called after the first attempt. */
  async #follow(tried: () => void): Promise<void> {
    const { stopped: signal } = this;
    let wait = reconnectPause.first;
    let said = false;
    while (!signal.aborted) {
      try {
        await this.follow(() => {
          if (said) this.logger.info({ registry: this.url }, 'the registry is back');
          wait = reconnectPause.first;
          said = false;
          this.cache.synced = true;
          tried();
          void this.wanted.assertAll();
        });
      } catch (thrown) {
        if (signal.aborted) break;
        const error = NsmError.from(thrown);
        if (error.kind !== 'overload') {
          if (!said) this.logger.warn({ registry: this.url, err: error }, 'the registry does not answer');
          said = true;
          this.reconnect();
        }
      }
      this.cache.synced = false;
      tried();
      // Half of it is chance, so that the managers of a restarted registry do not come all at once.
      await pause(this.clock, wait * (0.5 + Math.random() / 2), signal);
      wait = Math.min(wait * 2, reconnectPause.last);
    }
    this.cache.synced = false;
  }
}
