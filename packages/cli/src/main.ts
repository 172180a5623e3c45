// Runs the command line and ends the process with the status that says how it went.
import { setImmediate } from 'node:timers/promises';
import { Output } from '@nsm/output';
import { CommanderError } from 'commander';
import { exitStatus, failureOf, wordFailure } from './exit-status.js';
import { IdleMemory, lookEveryMs } from './idle-memory.js';
import { buildProgram } from './program.js';

/** Does not return while the command runs; `argv` begins with the command's name. */
export async function run(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    // `nsm watch | head` is no failure.
    if (code === 'EPIPE') process.exit(exitStatus.ok);
    const json = wantsJson(argv);
    new Output(json, process.stderr).paragraphs(
      wordFailure(new Error(`the output cannot be written: ${message}`), json),
    );
    process.exit(exitStatus.failed);
  });
  // What a command waits for may be in a worker thread, which does not keep the process alive by itself.
  const memory = new IdleMemory();
  setInterval(() => memory.look(), lookEveryMs);
  // What a daemon writes is its user's alone; the folder of its sockets, and those that are for pods, are opened by name.
  if (isDaemon(argv)) process.umask(0o077);
  await runCommand(argv);
  // A reader that is slow must still get all of it. Writing nothing to a full device would fail.
  const unfinished = [process.stdout, process.stderr].filter(({ writableLength }) => writableLength > 0);
  await Promise.all(unfinished.map((stream) => new Promise((done) => stream.write('', done))));
  // That the last line could not be written is told a turn later.
  await setImmediate();
  process.exit();
}

/** Runs a command to its end. A failure is worded on stderr, and told by `process.exitCode`. */
export async function runCommand(argv: readonly string[]): Promise<void> {
  const json = wantsJson(argv);
  try {
    const program = await buildProgram(argv, json);
    await program.parseAsync(argv, { from: 'user' });
  } catch (caught) {
    const thrown = await named(caught);
    const { status } = failureOf(thrown);
    // Commander has said its part already, but for programs.
    const said = thrown instanceof CommanderError && (status === exitStatus.ok || !json);
    if (!said) new Output(json, process.stderr).paragraphs(wordFailure(thrown, json));
    // Others cannot reach a daemon that does not start; it has a failure of its own.
    process.exitCode = status === exitStatus.unreachable && isDaemon(argv) ? exitStatus.failed : status;
  }
}

/** What the system refuses for want of something is told as that; all else as it is. */
async function named(thrown: unknown): Promise<unknown> {
  if (!(thrown instanceof Error && 'code' in thrown) || thrown instanceof CommanderError) return thrown;
  try {
    const error = (await import('@nsm/api/errors')).NsmError.from(thrown);
    return error.kind === 'internal' ? thrown : error;
  } catch {
    // There may be nothing left to load it with.
    return thrown;
  }
}

function isDaemon([command]: readonly string[]): boolean {
  return command === 'manager' || command === 'forwarder' || command === 'registry';
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}
