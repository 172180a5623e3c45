// Which process a number means: a pid alone may have been given to another since it was written down.
import { readFileSync, statSync } from 'node:fs';
import { systemCodeOf } from '@nsm/api';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and its start, proc_pid_stat(5) field 22. */
  readonly startTime: number;
  /** /proc/sys/kernel/random/boot_id, so that a record from before a reboot means nothing. */
  readonly bootId: string;
}

/** Identity of a process that exists; undefined for one that has ended, zombies included. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat && { pid, startTime: stat.startTime, bootId: bootId() };
}

/** True while this very process exists and has not ended. */
export const isAlive = (identity: ProcessIdentity): boolean => {
  const now = identifyProcess(identity.pid);
  return now?.startTime === identity.startTime && now.bootId === identity.bootId;
};

/** True while the process runs as the user of this one. */
export const isOwn = ({ pid }: ProcessIdentity): boolean =>
  statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === process.geteuid?.();

/**
 * Kills whatever is left of the group that `leader` began. A number that is in use as a group's is given to no new
 * process, so the group is ours as long as its leader is gone or still the recorded one.
 */
export function killGroup(leader: ProcessIdentity): void {
  if (leader.bootId !== bootId()) return;
  const now = readStat(leader.pid);
  if (now && now.startTime !== leader.startTime) return;
  signal(-leader.pid, 'SIGKILL');
}

/** Signals this very process; nothing happens when it has ended. */
export function signalProcess(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (isAlive(identity)) signal(identity.pid, name);
}

function signal(target: number, name: NodeJS.Signals): void {
  try {
    process.kill(target, name);
  } catch (error) {
    if (systemCodeOf(error) !== 'ESRCH') throw error;
  }
}

function readStat(pid: number): { readonly startTime: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The command's name, in parentheses, may itself have blanks and parentheses: the fields begin after the last one.
  const [state, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : { startTime: Number(rest[18]) };
}

let boot: string | undefined;
function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return boot;
}
