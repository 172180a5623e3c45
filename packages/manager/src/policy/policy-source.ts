// The policy that is in force: read from a file, and again when the file changes. A file that cannot be read whole changes nothing.
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import type { Policy } from '@nsm/policy';
import type { Logger } from 'pino';

/** Milliseconds between two looks at the file. Not inotify: of its instances a user has 128, for all processes. */
const lookEveryMs = 500;

/** Bytes of a policy file that are read. */
const maxBytes = 4 << 20;

export interface PolicySourceComponents {
  readonly logger: Pick<Logger, 'info' | 'error'>;
}

/** What became of a look at a file that had changed. */
export interface PolicyChange {
  /** SHA-256 of the text, in hexadecimal digits. */
  readonly digest: string;
  /** Why the file was not taken on; '' when it was. */
  readonly error: string;
}

export class PolicySource {
  readonly #path: string | undefined;
  readonly #logger: PolicySourceComponents['logger'];
  readonly #listeners = new Set<(change: PolicyChange) => void>();
  #policy: Policy | undefined;
  #text = '';
  #loadedAt = 0;
  #error = '';
  #seen = '';
  #timer: NodeJS.Timeout | undefined;

  /** @param path of the file; undefined: no policy is in force, ever. */
  constructor(path: string | undefined, { logger }: PolicySourceComponents) {
    this.#path = path;
    this.#logger = logger;
  }

  /** Undefined where no policy is in force. */
  get policy(): Policy | undefined {
    return this.#policy;
  }

  get path(): string {
    return this.#path ?? '';
  }

  /** Why the file could not be taken on when it last changed; '' when it was. */
  get error(): string {
    return this.#error;
  }

  /** The text that is in force, and when it was read, milliseconds since the Unix epoch. */
  get inForce(): { readonly text: string; readonly loadedAt: number } {
    return { text: this.#text, loadedAt: this.#loadedAt };
  }

  /** Called after each look at a file that had changed. */
  onChange(listener: (change: PolicyChange) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads the file, and looks for changes until `stop`. @throws NsmError `invalid` or `not-found` when the file cannot be taken on */
  async start(): Promise<void> {
    if (this.#path === undefined) return;
    this.#seen = markOf(this.#path);
    await this.#load(this.#path);
    this.#logger.info({ policy: this.#path, digest: digestOf(this.#text) }, 'the policy is in force');
    this.#look(this.#path);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(path: string): void {
    this.#timer = setTimeout(() => {
      void this.#again(path).finally(() => this.#look(path));
    }, lookEveryMs).unref();
  }

  async #again(path: string): Promise<void> {
    const mark = markOf(path);
    if (mark === this.#seen) return;
    this.#seen = mark;
    try {
      await this.#load(path);
      this.#error = '';
      this.#logger.info({ policy: path, digest: digestOf(this.#text) }, 'a new policy is in force');
    } catch (thrown) {
      const error = NsmError.from(thrown);
      this.#error = error.message;
      this.#logger.error(
        { policy: path, err: error },
        'the policy file is refused: the former policy stays in force',
      );
    }
    for (const listener of this.#listeners) listener({ digest: digestOf(this.#text), error: this.#error });
  }

  async #load(path: string): Promise<void> {
    const text = textOf(path);
    // YAML, schemas and CEL are for managers with a policy.
    const { parsePolicy } = await import('@nsm/policy/parse');
    this.#policy = parsePolicy(text, path);
    this.#text = text;
    this.#loadedAt = Date.now();
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Changes with the file, whatever way the file is replaced. */
function markOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}` : '';
}

function textOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new NsmError('not-found', `there is no policy file ${path}`);
  if (!stat.isFile() || stat.size > maxBytes)
    throw new NsmError('invalid', `the policy file ${path} is no regular file of at most ${maxBytes} bytes`);
  if ((stat.mode & 0o002) !== 0)
    throw new NsmError('invalid', `everybody may write to the policy file ${path}: chmod o-w it`);
  return readFileSync(path, 'utf8');
}
