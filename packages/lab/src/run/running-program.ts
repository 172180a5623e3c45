// One process of a lab: started in its namespace, written down, watched, and ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import { openNamespace } from '@nsm/netlink';
import type { Program } from '../plan/plan.js';
import type { LabFolder, ProcessRecord, ProcessRole } from '../state/lab-folder.js';
import { identifyProcess, isAlive, killGroup, signalProcess } from '../state/process-identity.js';

/** How a process ended, in words. */
export type Ending = string;

const exited = (status: number | null): Ending => `exited with status ${status}`;
/** As every nsm command does when its command line is wrong: here by `options` of the lab file. */
const wrongUsage = exited(2);

export class RunningProgram {
  readonly program: Program;
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<Ending>;
  readonly #folder: LabFolder;
  readonly #record: ProcessRecord | undefined;
  #ending: Ending | undefined;

  private constructor(program: Program, role: ProcessRole, folder: LabFolder, child: ChildProcess) {
    this.program = program;
    this.#folder = folder;
    const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    this.#record = identity && { name: program.name, role, member: program.member, identity };
    if (this.#record) folder.addProcess(this.#record);
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      child.once('close', (code, signal) => resolve(signal ? `was ended by ${signal}` : exited(code)));
    });
    void this.ended.then((ending) => {
      this.#ending = ending;
      if (this.#record) folder.removeProcess(this.#record);
    });
  }

  /** `command` is `nsm`. */
  static start(
    program: Program,
    role: ProcessRole,
    command: readonly string[],
    folder: LabFolder,
    environment: Readonly<Record<string, string | undefined>>,
  ): RunningProgram {
    const [file = '', ...first] = command;
    const log = openSync(folder.logOf(program.name), 'a');
    try {
      // A child is born in the network namespace of the thread that forks it.
      using namespace = openNamespace(`/run/netns/${program.namespace}`);
      const child = namespace.run(() =>
        spawn(file, [...first, ...program.arguments], {
          // A session of its own: Ctrl-C reaches the lab only, and the whole group can be ended.
          detached: true,
          stdio: ['ignore', log, log],
          env: { ...environment, ...program.environment },
        }),
      );
      return new RunningProgram(program, role, folder, child);
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return this.#ending === undefined;
  }

  /** Passes on what `work` comes to, unless the process ends first. @throws NsmError with the end of its log */
  async whileRunning<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([
      work,
      this.ended.then((ending) => {
        throw this.failure(ending);
      }),
    ]);
  }

  /** What went wrong, with the end of its log: on the same line when it has only one. */
  failure(ending: Ending): NsmError {
    const { name, member, arguments: argv } = this.program;
    // What it ended with may bear a code already, and has one code.
    const { kind, message: tail } = NsmError.fromAdmissionError(
      this.#folder.tail(name).trimEnd(),
      ending === wrongUsage ? 'invalid' : 'unavailable',
    );
    const log = tail.includes('\n') ? `; the end of its log:\n${tail}` : tail && `: ${tail}`;
    return new NsmError(kind, `nsm ${argv[0]} in ${member} ${ending}${log}`);
  }
}

/** SIGTERM to all, `graceMs` for them to end, then SIGKILL to their groups. Returns those that would not end. */
export async function endProcesses(
  records: readonly ProcessRecord[],
  graceMs: number,
): Promise<ProcessRecord[]> {
  for (const { identity } of records) signalProcess(identity, 'SIGTERM');
  const alive = (): ProcessRecord[] => records.filter(({ identity }) => isAlive(identity));
  await allEnded(alive, graceMs);
  // Also after a graceful end: a child it left behind is in its group.
  for (const { identity } of records) {
    signalProcess(identity, 'SIGKILL');
    killGroup(identity);
  }
  await allEnded(alive, killWaitMs);
  return alive();
}

/** SIGKILL takes effect once the process leaves the kernel; more than this means it hangs there. */
const killWaitMs = 5000;
/** These may be another shell's children: nothing tells of their end, so they are looked at. */
const lookEveryMs = 5;

async function allEnded(alive: () => readonly unknown[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (alive().length > 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
}
