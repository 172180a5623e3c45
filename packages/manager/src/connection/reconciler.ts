// One worker for each key brings the connections of the key to what is meant to be, one step after the other, and serves the orders
// that wait. Everything that happens only marks a connection, or hands in an order.
import { NsmError } from '@nsm/api';
import type { Course, Courses } from '@nsm/observe';
import type { Logger } from 'pino';
import type { Clock } from '../clock.js';
import { type Connection, isClosed, isUp, type Tell } from '../state/connection.js';
import type { ConnectionTable } from '../state/connection-table.js';
import type { ConnectionActs } from './acts.js';
import { courseOfStep, subjectOf } from './course-of-step.js';
import { decide, type Step } from './decide.js';
import { type Facts, noFacts } from './facts.js';
import type { MendPauses } from './mend-pace.js';
import type { CloseOrder, Order } from './orders.js';
import { serve } from './serve.js';
import { pauseAfter, timing } from './timing.js';

export interface ReconcilerComponents {
  readonly table: Pick<ConnectionTable, 'byId' | 'byKey' | 'ofKey' | 'histories'>;
  readonly courses: Courses;
  readonly acts: Pick<ConnectionActs, 'take' | 'serve'>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  readonly mendPauses?: MendPauses;
  /** Aborts when the manager stops: orders are served to the end, and no step is begun any more. */
  readonly stopping: AbortSignal;
}

interface Waiting {
  readonly order: Order;
  readonly course: Course;
  /** Milliseconds of the course at which the order was handed in. */
  readonly handedInMs: number;
  readonly resolve: (connection: Connection | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** All that is going on with one key. */
interface Slot {
  readonly key: string;
  readonly facts: Map<string, Facts>;
  readonly waiting: Waiting[];
  /** Set while a step or an order is worked on. */
  work?: Promise<void>;
  /** Ends the attempt that is under way to connect the client: an order to close makes it pointless. */
  interrupt?: AbortController;
  callOff?: () => void;
}

type Next =
  | { readonly rest: true; readonly untilMs: number }
  | { readonly rest: false; readonly run: () => Promise<void> };

export class Reconciler {
  readonly #components: ReconcilerComponents;
  readonly #slots = new Map<string, Slot>();

  constructor(components: ReconcilerComponents) {
    this.#components = components;
  }

  /**
   * Notes an event of a connection and looks at what follows from it. Does nothing for an id without a connection.
   * @returns a promise that resolves when the step that is then under way for the connection's key is done.
   */
  mark(id: string, note: (facts: Facts) => void): Promise<void> | undefined {
    const connection = this.#components.table.byId(id);
    if (!connection) return undefined;
    const slot = this.#slotOf(connection.key);
    note(this.#factsOf(slot, id));
    this.#work(slot);
    return slot.work;
  }

  /**
   * Hands in an order, and waits until the order is served. On an idle key the order is begun at once.
   * @throws NsmError what keeps the order from being served.
   */
  order(key: string, order: Order): Promise<Connection | undefined> {
    if (order.course) return this.#handIn(key, order, order.course);
    const { courses, table } = this.#components;
    const course = courses.begin(order.kind, subjectOf(table.byKey(key)), order.traceparent);
    return course.whole(() => this.#handIn(key, order, course));
  }

  #handIn(key: string, order: Order, course: Course): Promise<Connection | undefined> {
    const slot = this.#slotOf(key);
    return new Promise((resolve, reject) => {
      slot.waiting.push({ order, course, handedInMs: course.elapsedMs, resolve, reject });
      if (order.kind === 'close') void this.#interrupt(slot, order);
      this.#work(slot);
    });
  }

  /**
   * Closes a connection, if there is still one at the order's turn.
   * @throws NsmError when the interface could not be removed; the removal is tried again.
   */
  async close(
    id: string,
    reason: string,
    { tell = 'peer', concerns }: { readonly tell?: Tell; readonly concerns?: CloseOrder['concerns'] } = {},
  ): Promise<void> {
    const connection = this.#components.table.byId(id);
    if (!connection) return;
    await this.order(connection.key, {
      kind: 'close',
      reason,
      tell,
      concerns: (one) => one.id === id && (concerns?.(one) ?? true),
    });
  }

  /**
   * As `close`, for those who do not wait for it. A manager that stops does not begin it: its store may be closed before that has
   * ended, and the next start finds out the same.
   */
  end(...[id, ...rest]: Parameters<Reconciler['close']>): void {
    if (this.#components.stopping.aborted) return;
    this.close(id, ...rest).catch((error: unknown) =>
      this.#components.logger.error({ connection: id, err: error }, 'a connection could not be closed'),
    );
  }

  /** Resolves when nothing is under way any more, with true; or after `withinMs`, with false. */
  async settled(withinMs: number): Promise<boolean> {
    const over = new AbortController();
    const late = this.#components.clock.sleep(withinMs, over.signal).then(() => false);
    try {
      for (;;) {
        const working = [...this.#slots.values()].flatMap(({ work }) => work ?? []);
        if (working.length === 0) return true;
        if (!(await Promise.race([Promise.allSettled(working).then(() => true), late]))) return false;
      }
    } finally {
      over.abort();
    }
  }

  #slotOf(key: string): Slot {
    const present = this.#slots.get(key);
    if (present) return present;
    const slot: Slot = { key, facts: new Map(), waiting: [] };
    this.#slots.set(key, slot);
    return slot;
  }

  /** An order to close does not wait until the connection has been made anew. */
  async #interrupt({ key, interrupt }: Slot, { concerns }: CloseOrder): Promise<void> {
    const connection = this.#components.table.byKey(key);
    if (!interrupt || !connection) return;
    const concerned = await Promise.resolve(concerns?.(connection) ?? true).catch(() => false);
    if (concerned)
      interrupt.abort(new NsmError('conflict', 'the connection was closed while it was being made'));
  }

  /** Begins to work on a key; work that is under way comes to the new fact or order by itself. */
  #work(slot: Slot): void {
    if (slot.work) return;
    slot.callOff?.();
    delete slot.callOff;
    const next = this.#next(slot);
    if (next.rest) {
      this.#rest(slot, next.untilMs);
      return;
    }
    // What the work itself marks, before it waits for anything, must not begin other work.
    slot.work = Promise.resolve();
    slot.work = next.run().finally(() => {
      delete slot.work;
      this.#work(slot);
    });
  }

  #rest(slot: Slot, untilMs: number): void {
    const { clock, table } = this.#components;
    if (table.ofKey(slot.key).length === 0) this.#slots.delete(slot.key);
    else if (untilMs < Number.POSITIVE_INFINITY)
      slot.callOff = clock.after(Math.max(0, untilMs - clock.now()), () => this.#work(slot));
  }

  #next(slot: Slot): Next {
    const { table, clock, stopping } = this.#components;
    const connections = table.ofKey(slot.key);
    for (const id of slot.facts.keys())
      if (!connections.some((connection) => connection.id === id)) slot.facts.delete(id);
    let untilMs = Number.POSITIVE_INFINITY;
    for (const connection of stopping.aborted ? [] : connections) {
      const { id, replaces } = connection;
      const facts = this.#factsOf(slot, id);
      const replaced = replaces && table.byId(replaces.id);
      const step = decide({ connection, facts, nowMs: clock.now(), ...(replaced ? { replaced } : {}) });
      if (step.do !== 'rest') return { rest: false, run: () => this.#take(slot, step, connection, facts) };
      untilMs = Math.min(untilMs, step.untilMs ?? Number.POSITIVE_INFINITY);
    }
    const first = slot.waiting.shift();
    if (first) return { rest: false, run: () => this.#serve(slot, first, connections) };
    return { rest: true, untilMs };
  }

  async #take(
    slot: Slot,
    step: Exclude<Step, { do: 'rest' }>,
    connection: Connection,
    facts: Facts,
  ): Promise<void> {
    const { acts, clock, logger, stopping, table } = this.#components;
    const { id } = connection;
    const course = courseOfStep(this.#components, step, connection, facts);
    let signal = stopping;
    if (step.do === 'reconnect' || step.do === 'evade') {
      slot.interrupt = new AbortController();
      signal = AbortSignal.any([stopping, slot.interrupt.signal]);
    }
    try {
      await acts.take(step, connection, facts, { signal, course });
      facts.failures = 0;
      facts.retryAtMs = 0;
      const present = table.byId(id);
      // A heal and an end take several steps.
      if (!present || (course.kind === 'heal' ? isUp(present) : course.kind !== 'close')) course.end();
    } catch (thrown) {
      const error = NsmError.from(thrown);
      facts.failures++;
      facts.retryAtMs = clock.now() + pauseAfter(facts.failures, backOffOf(step), clock);
      // At the first failure, and then less and less often: at 2, 4, 8, …
      const telling = (facts.failures & (facts.failures - 1)) === 0;
      if (telling && !stopping.aborted)
        logger.warn(
          {
            connection: id,
            step: step.do,
            failures: facts.failures,
            trace: course.traceId,
            err: error,
          },
          'to be tried again',
        );
    } finally {
      delete slot.interrupt;
    }
  }

  async #serve(
    slot: Slot,
    { order, course, handedInMs, resolve, reject }: Waiting,
    connections: readonly Connection[],
  ): Promise<void> {
    const connection = connections.findLast((one) => !isClosed(one)) ?? connections.at(-1);
    const facts = connection ? this.#factsOf(slot, connection.id) : noFacts();
    const present = { all: connections, facts, ...(connection ? { connection } : {}) };
    const { acts, stopping } = this.#components;
    let signal = stopping;
    course.waited('wait for earlier orders', handedInMs);
    // A connection that is made gets its course in `declareUp`; a connection that stands keeps the course that made it.
    if (connection && order.kind !== 'connect')
      this.#components.table.histories.noteCourse(connection.id, course);
    if (order.kind === 'connect') {
      slot.interrupt = new AbortController();
      signal = slot.interrupt.signal;
    }
    try {
      resolve(await acts.serve(serve(order, connection), order, present, { signal, course }));
    } catch (error) {
      reject(error);
    } finally {
      delete slot.interrupt;
    }
  }

  #factsOf({ facts }: Slot, id: string): Facts {
    const present = facts.get(id);
    if (present) return present;
    const none = noFacts(this.#components.mendPauses);
    facts.set(id, none);
    return none;
  }
}

function backOffOf(step: Step) {
  if (step.do === 'reconnect') return timing.reconnect;
  return step.do === 'tell' ? timing.tell : timing.retry;
}
