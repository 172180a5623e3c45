// What ends a lab's stay: the caller's signal, or Ctrl-C and its like, or a reader that went away.
import { NsmError } from '@nsm/api';

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type ErrorListener = (error: Error) => void;

/** All of it stays caught until disposal: a second Ctrl-C, or a closed pipe, must not leave half of a lab behind. */
export class StopSignal implements Disposable {
  readonly signal: AbortSignal;
  readonly #undo: (() => void)[] = [];

  /** With `given`, the signals of the process are left to the caller. */
  constructor(given?: AbortSignal) {
    const abort = new AbortController();
    this.signal = given ? AbortSignal.any([given, abort.signal]) : abort.signal;
    if (!given)
      for (const name of names) {
        const stop = (): void => abort.abort(new NsmError('cancelled', `stopped by ${name}`));
        process.on(name, stop);
        this.#undo.push(() => process.off(name, stop));
      }
    for (const stream of [process.stdout, process.stderr]) {
      // A program may be wont to end at once when its reader does (`| head`): not before the lab is removed.
      const others = stream.listeners('error') as ErrorListener[];
      const stop = (error: Error): void =>
        abort.abort(new NsmError('cancelled', 'nobody reads the output any more', error));
      for (const other of others) stream.off('error', other);
      stream.on('error', stop);
      this.#undo.push(() => {
        stream.off('error', stop);
        for (const other of others) stream.on('error', other);
      });
    }
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0)) undo();
  }
}
