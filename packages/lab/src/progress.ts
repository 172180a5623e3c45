// Progress on stderr: one plain line a step, or, on a terminal, a line that moves until its step is done.
import type { Output } from '@nsm/output';
import { formatMicroseconds } from './table.js';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const framePeriodMs = 80;

export class Progress {
  readonly #output: Output;
  readonly #now: () => number;

  /** `now` gives milliseconds. */
  constructor(output: Output, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
  }

  /** Runs one step under a title; its result may say what came of it. */
  async step<T>(
    title: string,
    run: () => Promise<T> | T,
    outcome: (value: T) => string = () => '',
  ): Promise<T> {
    const began = this.#now();
    const stop = this.#spin(title);
    try {
      const value = await run();
      stop();
      const took = formatMicroseconds((this.#now() - began) * 1000);
      const result = outcome(value);
      this.say(
        `${this.#output.paint('green', '✓')} ${title}${result && `: ${result}`} ${this.#output.paint('dim', `(${took})`)}`,
      );
      return value;
    } catch (error) {
      stop();
      this.say(`${this.#output.paint('red', '×')} ${title}`);
      throw error;
    }
  }

  /** A remark between steps. */
  say(text: string): void {
    this.#output.lines(text);
  }

  #spin(title: string): () => void {
    if (!this.#output.live) return () => {};
    let frame = 0;
    const draw = (): void => {
      this.#output.clear();
      this.#output.draft(`${this.#output.paint('dim', frames[frame++ % frames.length] ?? '')} ${title}`);
    };
    draw();
    const timer = setInterval(draw, framePeriodMs);
    return () => {
      clearInterval(timer);
      this.#output.clear();
    };
  }
}
