// All or nothing: steps that are undone in reverse order when a later one fails or the deadline passes.
import { NsmError } from '@nsm/api';

/** Called after each step with its name; tests make it throw. */
export type FaultInjector = (step: string) => void | Promise<void>;

export class Transaction {
  /** Aborts when the caller goes away or the deadline passes; every step gets it. */
  readonly signal: AbortSignal;
  readonly #faults: FaultInjector | undefined;
  readonly #undos: { readonly name: string; readonly undo: () => Promise<unknown> | unknown }[] = [];

  constructor(signal: AbortSignal, faults?: FaultInjector) {
    this.signal = signal;
    this.#faults = faults;
  }

  /**
   * Runs a step and remembers how to undo it. A step that fails must itself leave nothing behind.
   * @throws whatever the step throws, or the signal's reason.
   */
  async step<T>(
    name: string,
    run: () => Promise<T> | T,
    undo?: (value: T) => Promise<unknown> | unknown,
  ): Promise<T> {
    this.signal.throwIfAborted();
    const value = await run();
    if (undo) this.#undos.push({ name, undo: () => undo(value) });
    await this.#faults?.(name);
    return value;
  }

  /** Undoes every step, the last one first; an undo that fails does not keep the others from running. */
  async rollback(): Promise<NsmError[]> {
    const failures: NsmError[] = [];
    for (const { name, undo } of this.#undos.splice(0).reverse()) {
      try {
        await undo();
      } catch (thrown) {
        const error = NsmError.from(thrown);
        failures.push(new NsmError(error.kind, `undoing "${name}": ${error.message}`, error));
      }
    }
    return failures;
  }
}
