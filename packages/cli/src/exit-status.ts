// What the exit status of nsm says, and how a failure is worded.
import type { NsmError } from '@nsm/api';
import { CommanderError } from 'commander';
import { debug } from './config.js';

export const exitStatus = {
  ok: 0,
  /** Refused, or failed; the message says why. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** No manager answers on its socket. */
  unreachable: 3,
  /** The deadline passed. */
  deadline: 4,
} as const;

/** Shown by `nsm --help`. */
export const exitStatusHelp = `
Exit status:
  0  done
  1  refused or failed; the message says why and what to do
  2  the command line is wrong
  3  no manager answers
  4  the deadline passed

Every flag is also an environment variable: --run-dir is NSM_RUN_DIR; lists are
separated by commas.
NO_COLOR turns colours off, NSM_DEBUG=1 shows stack traces.`;

/** What is known of a failure without loading the classes that made it. */
interface Failure {
  readonly status: number;
  readonly code?: string;
  readonly kind?: string;
  readonly message: string;
  /** The message without what `explained` says of it, for people. */
  readonly summary?: string;
  /** Why in more detail, line by line. */
  readonly explained?: readonly string[];
}

/** A value of a flag, or an argument, that only the command itself can read, and cannot. */
export class UsageError extends Error {}

/**
 * Reads the value of a flag or an argument, before anything is done.
 * @param what the flag, or the argument, as the usage of the command shows it.
 * @throws UsageError what `read` throws, if it throws.
 */
export function readValue<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw new UsageError(`${what}: ${failureOf(thrown).message}`);
  }
}

/** Reads anything thrown by a command. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof CommanderError)
    return {
      status: thrown.exitCode === 0 ? exitStatus.ok : exitStatus.usage,
      kind: 'usage',
      // Of help that is shown because there is no command, it says nothing.
      message:
        thrown.code === 'commander.help' ? 'a command is missing: see --help' : usageText(thrown.message),
    };
  if (thrown instanceof UsageError)
    return { status: exitStatus.usage, kind: 'usage', message: thrown.message };
  if (isNsmError(thrown))
    return {
      status: statusOf(thrown),
      code: thrown.code,
      kind: thrown.kind,
      message: thrown.message,
      ...('summary' in thrown ? { summary: thrown.summary as string } : {}),
      ...('explained' in thrown ? { explained: thrown.explained as readonly string[] } : {}),
    };
  return { status: exitStatus.failed, message: thrown instanceof Error ? thrown.message : String(thrown) };
}

/** What commander says of a command line, in fewer words. */
export function usageText(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(
      /^command-argument value '(.*)' is invalid for argument '.*'\. Allowed choices are /,
      "'$1' is not known: write one of ",
    );
}

/** The failure as it is printed on stderr. */
export function wordFailure(thrown: unknown, json: boolean): string {
  const { code, kind, message, summary = message, explained = [] } = failureOf(thrown);
  if (json)
    return JSON.stringify({
      error: { code, kind, message, ...(explained.length > 0 ? { explained } : {}) },
    });
  const trace = debug && thrown instanceof Error ? `\n${thrown.stack}` : '';
  const cause = debug && thrown instanceof Error && thrown.cause ? `\ncaused by ${String(thrown.cause)}` : '';
  // Further lines are further in: those that a stranger's text has are not taken for lines of nsm.
  const more = explained.map((line) => `\n  ${line.replaceAll('\n', '\n  ')}`).join('');
  const text = `nsm: ${summary.replaceAll('\n', '\n  ')}${code ? ` (${code})` : ''}${more}`;
  return `${text}${trace}${cause}`;
}

function statusOf(error: NsmError): number {
  if (error.kind === 'deadline') return exitStatus.deadline;
  if (error.kind === 'unavailable' || error.kind === 'stopping') return exitStatus.unreachable;
  return exitStatus.failed;
}

// By name: importing @nsm/api for `instanceof` would slow down commands that do not need it.
function isNsmError(thrown: unknown): thrown is NsmError {
  return thrown instanceof Error && thrown.name === 'NsmError' && 'kind' in thrown && 'code' in thrown;
}
