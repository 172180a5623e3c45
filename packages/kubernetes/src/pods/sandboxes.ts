// Of each pod the process that holds its network namespace: the first of its sandbox.
import { readlinkSync } from 'node:fs';
import { openProcess, Poller, type ProcessHandle } from '@nsm/netlink';
import type { PodCgroups } from './pod-cgroups.js';

export interface Sandbox {
  readonly pid: number;
  /** Clock ticks since the machine started. */
  readonly startTime: number;
  /** Of its network namespace. */
  readonly inode: number;
}

interface Held extends Sandbox {
  readonly handle: ProcessHandle;
}

export interface SandboxesOptions {
  /** Called when a pod's process has ended: the pod may have another namespace from then on, or none. */
  readonly onEnd: (uid: string) => void;
}

/** Remembers what it has found, and trusts it only while the process runs: another may get its number, and another namespace the inode. */
export class Sandboxes {
  readonly #cgroups: Pick<PodCgroups, 'processesOf'>;
  readonly #onEnd: (uid: string) => void;
  readonly #poller = new Poller({ keepAlive: false });
  readonly #byUid = new Map<string, Held>();
  readonly #byInode = new Map<number, string>();

  constructor(cgroups: Pick<PodCgroups, 'processesOf'>, { onEnd }: SandboxesOptions) {
    this.#cgroups = cgroups;
    this.#onEnd = onEnd;
  }

  /** Undefined while the pod has no sandbox, or it cannot be seen. */
  of(uid: string): Sandbox | undefined {
    const known = this.#byUid.get(uid);
    if (known && isCurrent(known)) return known;
    this.forget(uid);
    const held = oldest(this.#cgroups.processesOf(uid));
    if (!held) return undefined;
    this.#byUid.set(uid, held);
    this.#byInode.set(held.inode, uid);
    held.handle.onExit(this.#poller, () => {
      if (this.#byUid.get(uid) === held) this.forget(uid);
      this.#onEnd(uid);
    });
    return held;
  }

  /** UID of the pod that has a network namespace, of those that have been found. */
  podIn(inode: number): string | undefined {
    const uid = this.#byInode.get(inode);
    const held = uid === undefined ? undefined : this.#byUid.get(uid);
    return held && held.inode === inode && isCurrent(held) ? uid : undefined;
  }

  /** Whether a pod's sandbox has been found already. */
  has(uid: string): boolean {
    return this.#byUid.has(uid);
  }

  forget(uid: string): void {
    const held = this.#byUid.get(uid);
    if (!held) return;
    held.handle.close();
    this.#byUid.delete(uid);
    if (this.#byInode.get(held.inode) === uid) this.#byInode.delete(held.inode);
  }

  stop(): void {
    for (const uid of [...this.#byUid.keys()]) this.forget(uid);
    this.#poller.close();
  }
}

function isCurrent({ handle, pid, inode }: Held): boolean {
  return handle.fd >= 0 && handle.hasItsNumber() && inodeOf(pid) === inode;
}

/** The runtime starts the sandbox before anything that the pod brings: only later processes can have gone to another namespace. */
function oldest(pids: readonly number[]): Held | undefined {
  let first: ProcessHandle | undefined;
  for (const pid of pids) {
    const handle = opened(pid);
    const [winner, loser] =
      first && handle && handle.startTime < first.startTime
        ? [handle, first]
        : [first ?? handle, first && handle];
    loser?.close();
    first = winner;
  }
  if (!first) return undefined;
  const inode = inodeOf(first.pid);
  if (inode !== undefined) return { handle: first, pid: first.pid, startTime: first.startTime, inode };
  first.close();
  return undefined;
}

function opened(pid: number): ProcessHandle | undefined {
  try {
    return openProcess(pid);
  } catch {
    // The process has ended.
    return undefined;
  }
}

function inodeOf(pid: number): number | undefined {
  try {
    return Number(/^net:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1]);
  } catch {
    return undefined;
  }
}
