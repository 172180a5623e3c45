// What the kernel says of one process: its rights, its limits, and where it is confined.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface ProcessFacts {
  readonly pid: number;
  /** In words: `the forwarder (process 12)`. */
  readonly who: string;
  readonly uid: number;
  /** Effective capabilities, bit by bit (linux/capability.h). */
  readonly capabilities: bigint;
  /** It is in the user namespace that all others are in. */
  readonly initialUsers: boolean;
  /** It sees the processes of the whole machine. */
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
  const group = cgroupFolder(folder);
  return {
    pid,
    who,
    uid: Number(field('Uid')),
    capabilities: BigInt(`0x${field('CapEff')}`),
    initialUsers: statSync(join(folder, 'ns/user')).ino === initialUsers,
    initialProcesses: statSync(join(folder, 'ns/pid')).ino === initialProcesses,
    seccomp: Number(field('Seccomp')),
    noNewPrivileges: field('NoNewPrivs') === '1',
    openFiles: { used: readdirSync(join(folder, 'fd')).length, limit: softLimit(limits, 'Max open files') },
    lockedMemory: softLimit(limits, 'Max locked memory'),
    tasks: usage(group, 'pids.current', 'pids.max'),
    memory: usage(group, 'memory.current', 'memory.max'),
    confinement: read(join(folder, 'attr/current')).replace(/\0/g, ''),
    selinuxEnforces: read('/sys/fs/selinux/enforce') === '1',
    netns: netnsFolder(folder),
  };
}

function softLimit(limits: string, name: string): number {
  const value = new RegExp(`^${name}\\s+(\\S+)`, 'm').exec(limits)?.[1] ?? 'unlimited';
  return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value);
}

/** Of version 2 (cgroups(7)), as far as it is seen from here. */
function cgroupFolder(folder: string): string {
  const path = /^0::(.*)$/m.exec(read(join(folder, 'cgroup')))?.[1] ?? '/';
  return join('/sys/fs/cgroup', path);
}

function usage(folder: string, current: string, most: string): Usage | undefined {
  const [used, limit] = [read(join(folder, current)), read(join(folder, most))];
  if (used === '' || limit === '') return undefined;
  return { used: Number(used), limit: limit === 'max' ? Number.POSITIVE_INFINITY : Number(limit) };
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
