// What the kernel says of one process: its rights, its limits, and where it is confined.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface ProcessFacts {
  readonly pid: number;
  /** In words: `the forwarder (process 12)`. */
  readonly who: string;
  readonly uid: number;
  /** The process is in the user namespace that contains all others. */
  readonly initialUsers: boolean;
  /** The process sees the processes of the whole machine. */
  readonly initialProcesses: boolean;
  /** 0: none, 1: strict, 2: a filter. */
  readonly seccomp: number;
  readonly noNewPrivileges: boolean;
  readonly openFiles: Usage;
  /** Bytes that may be locked in memory. */
  readonly lockedMemory: number;
  /** Threads and processes of its control group, and bytes of memory. */
  readonly tasks: Usage | undefined;
  readonly memory: Usage | undefined;
  /** AppArmor profile or SELinux context; '' without such a module. */
  readonly confinement: string;
  /** SELinux refuses, and does not only tell. */
  readonly selinuxEnforces: boolean;
  readonly netns: NetnsFolder;
}

export interface Usage {
  readonly used: number;
  /** Infinity: no limit. */
  readonly limit: number;
}

/** /run/netns as the process sees it. */
export interface NetnsFolder {
  readonly present: boolean;
  /** `shared` and `slave` mounts hear of namespaces that are named outside; `private` ones do not. */
  readonly propagation: 'shared' | 'slave' | 'private';
  /** The process has the mounts of the machine's first process, so that there is no outside. */
  readonly ofMachine: boolean;
}

/** PROC_USER_INIT_INO and PROC_PID_INIT_INO of linux/proc_ns.h. */
const [initialUsers, initialProcesses] = [4026531837, 4026531836];

/** @throws Error of the file system where there is no such process, or it may not be looked at. */
export function readProcess(pid: number, who: string): ProcessFacts {
  const folder = `/proc/${pid}`;
  const status = readFileSync(join(folder, 'status'), 'utf8');
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '0';
  const limits = readFileSync(join(folder, 'limits'), 'utf8');
  return {
    pid,
    who,
    uid: Number(field('Uid')),
    initialUsers: statSync(join(folder, 'ns/user')).ino === initialUsers,
    initialProcesses: statSync(join(folder, 'ns/pid')).ino === initialProcesses,
    seccomp: Number(field('Seccomp')),
    noNewPrivileges: field('NoNewPrivs') === '1',
    openFiles: { used: readdirSync(join(folder, 'fd')).length, limit: softLimit(limits, 'Max open files') },
    lockedMemory: softLimit(limits, 'Max locked memory'),
    tasks: usageOf(folder, 'tasks'),
    memory: usageOf(folder, 'memory'),
    confinement: read(join(folder, 'attr/current')).replace(/\0/g, ''),
    selinuxEnforces: read('/sys/fs/selinux/enforce') === '1',
    netns: netnsFolder(folder),
  };
}

function softLimit(limits: string, name: string): number {
  const value = new RegExp(`^${name}\\s+(\\S+)`, 'm').exec(limits)?.[1] ?? 'unlimited';
  return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value);
}

/** Files of a control group with what is used and what may be; of version 1, which has a folder for each controller, and of version 2. */
const usageFiles = {
  tasks: { controller: 'pids', names: [['pids.current', 'pids.max']] },
  memory: {
    controller: 'memory',
    names: [
      ['memory.current', 'memory.max'],
      ['memory.usage_in_bytes', 'memory.limit_in_bytes'],
    ],
  },
} as const;

/** cgroups(7), as far as it is seen from here. */
function usageOf(folder: string, what: keyof typeof usageFiles): Usage | undefined {
  const { controller, names } = usageFiles[what];
  const lines = read(join(folder, 'cgroup')).split('\n');
  for (const line of lines) {
    const [, controllers = '', path = '/'] = line.split(':');
    const mounted =
      controllers === '' ? '' : controllers.split(',').includes(controller) ? controller : undefined;
    if (mounted === undefined) continue;
    for (const [current, most] of names) {
      const group = join('/sys/fs/cgroup', mounted, path);
      const [used, limit] = [read(join(group, current)), read(join(group, most))];
      if (used !== '' && limit !== '') return { used: Number(used), limit: unlessBoundless(limit) };
    }
  }
  return undefined;
}

/** Version 1 writes the largest number of pages for "no limit". */
function unlessBoundless(limit: string): number {
  const number = Number(limit);
  return Number.isFinite(number) && number < 2 ** 60 ? number : Number.POSITIVE_INFINITY;
}

function netnsFolder(folder: string): NetnsFolder {
  const present = statSync(join(folder, 'root/run/netns'), { throwIfNoEntry: false })?.isDirectory() ?? false;
  return {
    present,
    propagation: propagationOf('/run/netns', read(join(folder, 'mountinfo'))),
    ofMachine: sameMounts(folder),
  };
}

/** Of the mount that a path is in, by the lines of /proc/PID/mountinfo (proc(5)); of several at one place the last counts. */
export function propagationOf(path: string, mountinfo: string): NetnsFolder['propagation'] {
  let [longest, tags] = [-1, ''];
  for (const line of mountinfo.split('\n')) {
    const [, , , , point = '', , ...rest] = line.split(' ');
    const holds = path === point || path.startsWith(point === '/' ? '/' : `${point}/`);
    if (point === '' || !holds || point.length < longest) continue;
    [longest, tags] = [point.length, rest.slice(0, rest.indexOf('-')).join(' ')];
  }
  if (tags.includes('shared:')) return 'shared';
  return tags.includes('master:') ? 'slave' : 'private';
}

function sameMounts(folder: string): boolean {
  try {
    return readlinkSync(join(folder, 'ns/mnt')) === readlinkSync('/proc/1/ns/mnt');
  } catch {
    return false;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
