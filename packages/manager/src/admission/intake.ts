// Requests beyond what a node can do at once wait their turn; beyond what can reasonably wait they are refused. Each
// asker and each service gets a share that leaves room for the others.
import { descriptorsLeft, NsmError, openFiles } from '@nsm/api';
import type { Logger } from 'pino';
import { Tally } from '../tally.js';

export interface IntakeComponents {
  readonly logger: Logger;
}

export interface IntakeOptions {
  /** Requests that are worked on at the same time. Default: 128; half of it, which one service may have, keeps two cores busy. */
  readonly atOnce?: number;
  /** Requests that wait. Default: 8192; half of it, which one asker may have, is some ten seconds of work. */
  readonly waiting?: number;
}

/** The asker and the service by which requests take turns. */
export interface Turn {
  readonly asker: string;
  /** The network service, whose endpoint may be slow. */
  readonly service: string;
  readonly requestId: string;
  /** Counts it as one that waits until what this returns is called. @throws NsmError `overload` when its asker has too many. */
  readonly reserve?: () => () => void;
}

/** Descriptors that requests under way may need together: each needs a few for a moment. */
const descriptorsForWork = 8;

/** An asker may have this many times what is left to others: its requests for one service leave room for those for another. */
const askerShare = 7;

type Queue = Set<() => void>;

/**
 * Shares are measured by what is free (dynamic thresholds, Choudhury and Hahne 1998): a service that never answers takes half
 * of the node, a second one half of the rest, and the next request for any other begins at once.
 */
export class Intake {
  readonly #logger: Logger;
  readonly #atOnce: number;
  readonly #places: number;
  /** By asker and service. The first is the next: who had a turn goes to the end. */
  readonly #queues = new Map<string, Map<string, Queue>>();
  readonly #running = { askers: new Tally(), services: new Tally() };
  readonly #waiting = new Tally();

  constructor({ logger }: IntakeComponents, { atOnce = 128, waiting = 8192 }: IntakeOptions = {}) {
    this.#logger = logger;
    this.#atOnce = atOnce;
    this.#places = waiting;
  }

  get waiting(): number {
    return this.#waiting.total;
  }

  /**
   * Runs the work at its turn: askers take turns, so do the services of each asker, and requests for the same service keep their order.
   * @throws NsmError `exhausted` when no descriptor is left for it; `overload` when too many wait already; the signal's reason when it aborts while waiting.
   */
  async run<T>(turn: Turn, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    // Before anything is touched: what would fail in the middle could not be taken back either.
    if (descriptorsLeft() < descriptorsForWork)
      throw new NsmError('exhausted', `this manager makes no more connections: ${openFiles()}`);
    if (this.#mayBegin(turn)) this.#count(turn, 1);
    else await this.#wait(turn, signal);
    try {
      return await work();
    } finally {
      this.#count(turn, -1);
      for (let begin = this.#next(); begin; begin = this.#next()) begin();
    }
  }

  #mayBegin({ asker, service }: Pick<Turn, 'asker' | 'service'>): boolean {
    const { askers, services } = this.#running;
    const free = this.#atOnce - services.total;
    return services.of(service) < free && askers.of(asker) < free * askerShare;
  }

  #count({ asker, service }: Turn, by: 1 | -1): void {
    this.#running.askers.add(asker, by);
    this.#running.services.add(service, by);
  }

  #next(): (() => void) | undefined {
    for (const [asker, services] of this.#queues) {
      for (const [service, queue] of services) {
        if (!this.#mayBegin({ asker, service })) continue;
        services.delete(service);
        services.set(service, queue);
        this.#queues.delete(asker);
        this.#queues.set(asker, services);
        const [first] = queue;
        return first;
      }
    }
    return undefined;
  }

  /** Resolves when the turn has been counted as running. */
  async #wait(turn: Turn, signal: AbortSignal): Promise<void> {
    const { total } = this.#waiting;
    const own = this.#waiting.of(turn.asker);
    if (own >= this.#places - total) {
      throw new NsmError(
        'overload',
        `this node is making ${this.#running.services.total} connections and ${total} more requests wait, ${own} of them ` +
          'from where this one comes: ask again later',
      );
    }
    const giveBack = turn.reserve?.();
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        const error = NsmError.during(
          `wait for its turn among ${this.#waiting.total} requests`,
          signal.reason,
        );
        this.#dequeue(turn, begin);
        const { service, requestId: request } = turn;
        this.#logger.info({ service, request, err: error }, 'request not begun');
        reject(error);
      };
      const begin = (): void => {
        this.#dequeue(turn, begin);
        signal.removeEventListener('abort', leave);
        this.#count(turn, 1);
        resolve();
      };
      this.#enqueue(turn, begin);
      if (signal.aborted) leave();
      else signal.addEventListener('abort', leave, { once: true });
    }).finally(giveBack);
  }

  #enqueue({ asker, service }: Turn, begin: () => void): void {
    const services = this.#queues.get(asker) ?? new Map<string, Queue>();
    const queue: Queue = services.get(service) ?? new Set();
    this.#queues.set(asker, services);
    services.set(service, queue.add(begin));
    this.#waiting.add(asker, 1);
  }

  #dequeue({ asker, service }: Turn, begin: () => void): void {
    const services = this.#queues.get(asker);
    const queue = services?.get(service);
    if (!queue?.delete(begin)) return;
    this.#waiting.add(asker, -1);
    if (queue.size === 0) services?.delete(service);
    if (services?.size === 0) this.#queues.delete(asker);
  }
}
