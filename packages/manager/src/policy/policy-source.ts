// The policy that is in force: read from where it is, and again when it changes. A text that cannot be read whole changes nothing.
import { createHash } from 'node:crypto';
import { NsmError } from '@nsm/api';
import type { Policy } from '@nsm/policy';
import type { Logger } from 'pino';
import type { PolicyOrigin } from './policy-origin.js';

/** Milliseconds between two looks at the file. Not inotify: of its instances a user has 128, for all processes. */
const lookEveryMs = 500;

export interface PolicySourceComponents {
  readonly logger: Pick<Logger, 'info' | 'error'>;
}

export class PolicySource {
  readonly #origin: PolicyOrigin | undefined;
  readonly #logger: PolicySourceComponents['logger'];
  readonly #listeners = new Set<(error: string) => void>();
  #policy: Policy | undefined;
  #text = '';
  #loadedAt = 0;
  #error = '';
  #seen = '';
  #timer: NodeJS.Timeout | undefined;

  /** @param origin undefined: no policy is in force, ever. */
  constructor(origin: PolicyOrigin | undefined, { logger }: PolicySourceComponents) {
    this.#origin = origin;
    this.#logger = logger;
  }

  /** Undefined where no policy is in force. */
  get policy(): Policy | undefined {
    return this.#policy;
  }

  get path(): string {
    return this.#origin?.name ?? '';
  }

  /** Why the file could not be taken on when it last changed; '' when it was. */
  get error(): string {
    return this.#error;
  }

  /** The text that is in force, and when it was read, milliseconds since the Unix epoch. */
  get inForce(): { readonly text: string; readonly loadedAt: number } {
    return { text: this.#text, loadedAt: this.#loadedAt };
  }

  /** SHA-256 of the text that is in force, in hexadecimal digits; '' where none is. */
  get digest(): string {
    return this.#policy ? createHash('sha256').update(this.#text).digest('hex') : '';
  }

  /** Called after each look at a file that had changed, with why the file was not taken on ('' when it was), until what is returned is disposed of. */
  onChange(listener: (error: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Reads the file, and looks for changes until `stop`. @throws NsmError `invalid` or `not-found` when the file cannot be taken on */
  async start(): Promise<void> {
    const origin = this.#origin;
    if (!origin) return;
    await origin.start?.();
    this.#seen = origin.mark();
    await this.#load(origin);
    origin.judged?.('');
    this.#logger.info({ policy: origin.name, digest: this.digest }, 'the policy is in force');
    this.#look(origin);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#origin?.stop?.();
  }

  #look(origin: PolicyOrigin): void {
    this.#timer = setTimeout(() => {
      void this.#again(origin).finally(() => this.#look(origin));
    }, lookEveryMs).unref();
  }

  async #again(origin: PolicyOrigin): Promise<void> {
    const mark = origin.mark();
    if (mark === this.#seen) return;
    this.#seen = mark;
    try {
      await this.#load(origin);
      this.#error = '';
      this.#logger.info({ policy: origin.name, digest: this.digest }, 'a new policy is in force');
    } catch (thrown) {
      const error = NsmError.from(thrown);
      this.#error = error.message;
      this.#logger.error(
        { policy: origin.name, err: error },
        'the policy is refused: the former policy stays in force',
      );
    }
    origin.judged?.(this.#error);
    for (const listener of this.#listeners) listener(this.#error);
  }

  async #load(origin: PolicyOrigin): Promise<void> {
    const text = origin.text();
    // YAML, schemas and CEL are for managers with a policy.
    const { parsePolicy } = await import('@nsm/policy/parse');
    this.#policy = text === undefined ? undefined : parsePolicy(text, origin.name);
    this.#text = text ?? '';
    this.#loadedAt = Date.now();
  }
}
