// Which processes this manager can see: one outside the manager's pid namespace has no number here, and no files under /proc.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import type { Logger } from 'pino';

/** PROC_PID_INIT_INO of linux/proc_ns.h: the pid namespace that the machine began with. */
const initial = 'pid:[4026531836]';

const ofItsOwn = 'the manager runs in a pid namespace of its own';
const remedy = 'run it with hostPID: true (docker --pid=host)';

/** @param who what the process does, such as `asks`. */
export function outOfSight(who: string): NsmError {
  return new NsmError('namespace-foreign', `${ofItsOwn} and cannot see the process that ${who}: ${remedy}`);
}

/** A namespace that was not found may exist outside of this PID namespace. */
export function orOutOfSight(thrown: unknown): NsmError {
  const { kind, message } = NsmError.from(thrown);
  return new NsmError(
    kind,
    kind === 'namespace-unknown' ? `${message}; ${ofItsOwn}: ${remedy}` : message,
    thrown,
  );
}

/**
 * Warns where processes outside this PID namespace cannot be seen.
 * @throws NsmError `invalid` where /proc tells of other processes than the kernel does.
 */
export function checkPidNamespace(logger: Logger): void {
  if (readLink('/proc/self') !== String(process.pid))
    throw new NsmError(
      'invalid',
      '/proc is that of another pid namespace, so its numbers are not those of the processes that ask: ' +
        'mount it anew in this one (unshare --mount-proc), or run the manager with hostPID: true (docker --pid=host)',
    );
  if (readLink('/proc/self/ns/pid') === initial) return;
  const own = ancestry();
  const others = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && !own.has(Number(name)));
  if (others.length === 0)
    logger.warn(
      `${ofItsOwn} and sees no process of a pod: endpoints outside are refused, connections that end with their process, and pods ` +
        `whose network namespace has no name under /run/netns here; ${remedy}`,
    );
}

/** This process and those that started it. */
function ancestry(): ReadonlySet<number> {
  const own = new Set<number>();
  for (let pid = process.pid; pid > 0 && !own.has(pid); pid = parentOf(pid)) own.add(pid);
  return own;
}

/** Process id of the parent; 0 where none can be seen. */
function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
