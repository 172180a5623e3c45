// Where the text of a policy is from.
import { readFileSync, statSync } from 'node:fs';
import { NsmError } from '@nsm/api';

/** Bytes of a policy file that are read. */
const maxBytes = 4 << 20;

export interface PolicyOrigin {
  readonly name: string;
  /** Resolves when there is a text to read. */
  start?(): Promise<void>;
  stop?(): void;
  /** Changes with the text. Called twice a second. */
  mark(): string;
  /** Undefined: no policy is in force. @throws NsmError when it cannot be read. */
  text(): string | undefined;
  /** Hears whether the text was taken on, or why not: '' when it was. */
  judged?(error: string): void;
}

export class PolicyFile implements PolicyOrigin {
  readonly name: string;

  constructor(path: string) {
    this.name = path;
  }

  mark(): string {
    return markOf(this.name);
  }

  text(): string {
    return textOf(this.name);
  }
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
