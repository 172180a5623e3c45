// Progress on stderr: one plain line a step, or, on a terminal, a line that moves until its step is done.
import type { LabStream } from './options.js';
import { formatMicroseconds, type Paint, paintFor } from './table.js';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const framePeriodMs = 80;

export class Progress {
  readonly paint: Paint;
  readonly #stream: LabStream;
  readonly #live: boolean;
  readonly #now: () => number;
  #title: string | undefined;

  /** `now` gives milliseconds. */
  constructor(stream: LabStream, colour: boolean, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#live = stream.isTTY === true && colour;
    this.paint = paintFor(this.#live);
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
      this.#line(
        `${this.paint('green', '✓')} ${title}${result && `: ${result}`} ${this.paint('dim', `(${took})`)}`,
      );
      return value;
    } catch (error) {
      stop();
      this.#line(`${this.paint('red', '×')} ${title}`);
      throw error;
    }
  }

  /** A remark between steps. */
  say(text: string): void {
    this.#clear();
    this.#line(text);
  }

  #spin(title: string): () => void {
    if (!this.#live) return () => {};
    let frame = 0;
    this.#title = title;
    const draw = (): void => {
      this.#stream.write(
        `\r\x1b[2K${this.paint('dim', frames[frame++ % frames.length] ?? '')} ${this.#title}`,
      );
    };
    draw();
    const timer = setInterval(draw, framePeriodMs);
    return () => {
      clearInterval(timer);
      this.#clear();
      this.#title = undefined;
    };
  }

  #clear(): void {
    if (this.#live && this.#title !== undefined) this.#stream.write('\r\x1b[2K');
  }

  #line(text: string): void {
    this.#stream.write(`${text}\n`);
  }
}
