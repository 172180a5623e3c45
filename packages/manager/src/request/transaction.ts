// All or nothing: steps that are undone in reverse order when a later one fails or the deadline passes.
import { NsmError } from '@nsm/api';
import type { Course, Step } from '@nsm/observe';
import type { Logger } from 'pino';

/** Called after each step with its name; tests make it throw. */
export type FaultInjector = (step: string) => void | Promise<void>;

interface TransactionComponents {
  readonly logger: Pick<Logger, 'error'>;
  readonly faults?: FaultInjector;
}

/**
 * Does work of several steps, all of which are undone when the work fails.
 * @throws NsmError why the work failed: where the signal ended it, during which step.
 */
export async function allOrNothing<T>(
  { logger, faults }: TransactionComponents,
  signal: AbortSignal,
  course: Course,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const transaction = new Transaction(signal, course, faults);
  try {
    return await work(transaction);
  } catch (thrown) {
    const error = transaction.failure(thrown);
    for (const failure of await transaction.rollback(error))
      logger.error({ err: failure }, 'a step was not undone');
    throw error;
  }
}

export class Transaction {
  /** Aborts when the caller goes away or the deadline passes; every step gets it. */
  readonly signal: AbortSignal;
  /** Of the order that it is part of. */
  readonly course: Course;
  /** What was under way when the signal aborted. */
  #interrupted: string | undefined;
  readonly #faults: FaultInjector | undefined;
  readonly #undos: { readonly name: string; readonly undo: (why: NsmError) => Promise<unknown> | unknown }[] =
    [];

  constructor(signal: AbortSignal, course: Course, faults?: FaultInjector) {
    this.signal = signal;
    this.course = course;
    this.#faults = faults;
    if (signal.aborted) this.#interrupted = 'wait for what was under way for the same request';
  }

  /**
   * Runs a step and remembers its undo, which is told the reason. A step that fails must itself leave nothing behind.
   * @throws whatever the step throws, or the signal's reason.
   */
  async step<T>(
    name: string,
    run: (step: Step) => Promise<T> | T,
    undo?: (value: T, why: NsmError) => Promise<unknown> | unknown,
  ): Promise<T> {
    const value = await this.#watched(name, run);
    if (undo) this.#undos.push({ name, undo: (why) => undo(value, why) });
    await this.#faults?.(name);
    return value;
  }

  /** Why the work failed: where the signal ended it, during which step. */
  failure(thrown: unknown): NsmError {
    const { signal } = this;
    if (!signal.aborted) return NsmError.from(thrown);
    return this.#interrupted === undefined
      ? NsmError.from(signal.reason)
      : NsmError.during(this.#interrupted, signal.reason);
  }

  /** Undoes every step for a reason, the last one first; an undo that fails does not keep the others from running. */
  async rollback(why: NsmError): Promise<NsmError[]> {
    const failures: NsmError[] = [];
    for (const { name, undo } of this.#undos.splice(0).reverse()) {
      try {
        await this.course.step(`undo: ${name}`, () => undo(why));
      } catch (thrown) {
        const error = NsmError.from(thrown);
        failures.push(new NsmError(error.kind, `undoing "${name}": ${error.message}`, error));
      }
    }
    return failures;
  }

  /** Of steps under way at the same time the first to end counts as interrupted; between two steps it is the next. */
  async #watched<T>(name: string, run: (step: Step) => Promise<T> | T): Promise<T> {
    return await this.course.step(name, async (step) => {
      try {
        this.signal.throwIfAborted();
        return await run(step);
      } finally {
        if (this.signal.aborted) this.#interrupted ??= name;
      }
    });
  }
}
