// The key q ends what a terminal shows again and again.

/** `signal` is aborted by q; until this is disposed of, a terminal gives each key at once. Elsewhere nothing is read. */
export class QuitKey implements Disposable {
  readonly signal: AbortSignal;
  readonly #quit = new AbortController();
  readonly #terminal: NodeJS.ReadStream | undefined;

  constructor(live: boolean, input: NodeJS.ReadStream = process.stdin) {
    this.signal = this.#quit.signal;
    this.#terminal = live && input.isTTY ? input : undefined;
    this.#terminal?.setRawMode(true).on('data', this.#typed);
  }

  readonly #typed = (keys: Buffer): void => {
    // Ctrl-C is a key like any other now.
    if (keys.includes(0x03)) process.kill(process.pid, 'SIGINT');
    if (/q/i.test(keys.toString())) this.#quit.abort();
  };

  [Symbol.dispose](): void {
    this.#terminal?.off('data', this.#typed).setRawMode(false).pause();
  }
}
