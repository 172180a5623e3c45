// Which limit is used up when the system refuses for want of something: its name, its value now, and what raises it. Errors of
// Node.js, of netlink and of the file system come here, and nowhere else.
import { readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** What the system refused. */
interface Refusal {
  /** Name of the error number, such as EMFILE. */
  readonly code: string;
  /** What was tried: the system call, or the operation and its object, as far as the error says so. */
  readonly operation: string;
  /** The file it was tried with; '' without. */
  readonly path: string;
}

/** What is used up: the disk, or a limit of the process or the machine. */
export interface Exhaustion {
  readonly kind: 'disk' | 'exhausted';
  /** Which, its value, and what to do. */
  readonly text: string;
}

interface Limit {
  readonly codes: readonly string[];
  /** Where one error number means several limits. Default: whatever was tried. */
  readonly operation?: RegExp;
  /** Default: `exhausted`. */
  readonly kind?: Exhaustion['kind'];
  /** '' when it is not this limit after all. */
  readonly describe: (refusal: Refusal) => string;
}

/** The first that fits and has something to say counts. */
const limits: readonly Limit[] = [
  {
    codes: ['EMFILE'],
    operation: /^(watch|inotify)/,
    describe: () => inotify('instances', 'inotify instances of this user'),
  },
  {
    codes: ['ENOSPC'],
    operation: /^(watch|inotify)/,
    describe: () => inotify('watches', 'files watched by inotify for this user'),
  },
  { codes: ['EMFILE'], describe: () => openFiles() },
  {
    codes: ['ENFILE'],
    describe: () => sysctl('fs/file-max', 'open files of the whole machine'),
  },
  {
    codes: ['EAGAIN', 'ERR_WORKER_INIT_FAILED'],
    operation: /^(spawn|fork|clone|uv_thread_create|worker)/,
    describe: processes,
  },
  {
    codes: ['ENOBUFS'],
    operation: /neighbour/,
    describe: ({ operation }) =>
      sysctl(
        // Both are the whole machine's, whatever the network namespace.
        `net/${/neighbour \S*:/.test(operation) ? 'ipv6' : 'ipv4'}/neigh/default/gc_thresh3`,
        'entries of the neighbour table',
      ),
  },
  {
    codes: ['E2BIG'],
    operation: /^write to eBPF map/,
    describe: () =>
      'that map is full, for it holds the tunnels of a whole node: close connections; its size is MAX_TUNNELS or MAX_PLACES of ' +
      'packages/forwarder/bpf/maps.h',
  },
  { codes: ['EADDRNOTAVAIL'], operation: /^connect/, describe: localPorts },
  {
    codes: ['EPERM', 'ENOMEM'],
    operation: /eBPF (map|object)|BPF_(MAP|PROG)/,
    describe: lockedMemory,
  },
  { codes: ['ENOMEM', 'ERR_WORKER_OUT_OF_MEMORY'], describe: memory },
  {
    codes: ['ENOSPC'],
    kind: 'disk',
    operation: /^(open|write|mkdir|mkdtemp|rename|link|symlink|copyfile|ftruncate)/,
    describe: ({ path }) => fullDisk(path),
  },
  { codes: ['EDQUOT'], kind: 'disk', describe: () => 'the quota of this user is used up' },
];

/** What is used up, and what to do; undefined of an error that says nothing of the kind, nor does what caused it. */
export function exhaustionOf(error: Error): Exhaustion | undefined {
  const refusal = refusalOf(error);
  for (const { codes, operation, kind = 'exhausted', describe } of limits) {
    if (!refusal || !codes.includes(refusal.code)) continue;
    const text = operation === undefined || operation.test(refusal.operation) ? describe(refusal) : '';
    if (text !== '') return { kind, text };
  }
  return error.cause instanceof Error ? exhaustionOf(error.cause) : undefined;
}

/** Descriptors that this process may still open. */
export function descriptorsLeft(): number {
  return openFileLimit() - openDescriptors();
}

/** What to do about too few descriptors. */
export function openFiles(): string {
  return (
    `process ${process.pid} has ${openDescriptors()} files open and may have ${openFileLimit()} (RLIMIT_NOFILE): ` +
    'raise it by `ulimit -n`, by LimitNOFILE= of its systemd unit, or by --ulimit nofile= of its container'
  );
}

function refusalOf(error: Error): Refusal | undefined {
  if (!('code' in error)) return undefined;
  // A gRPC channel tells of the system's error in its text alone, and of no other errors by their names.
  if (typeof error.code === 'number') {
    const code = /\b(EMFILE|ENFILE|EADDRNOTAVAIL)\b/.exec(error.message)?.[1];
    return code ? { code, operation: 'connect', path: '' } : undefined;
  }
  if (typeof error.code !== 'string') return undefined;
  const {
    operation = '',
    object = '',
    syscall = '',
    path = '',
  } = error as Partial<Refusal & Readonly<Record<'object' | 'syscall', string>>>;
  const isWorker = error.code.startsWith('ERR_WORKER');
  return {
    code: error.code,
    operation: isWorker ? 'worker' : `${operation || syscall} ${object}`.trim(),
    path,
  };
}

/** What a full disk has no more of, and how to see it. @param path a file on it, which need not exist; '' for one that has its inode. */
export function fullDisk(path: string): string {
  for (let folder = path; folder !== ''; folder = folder === dirname(folder) ? '' : dirname(folder)) {
    try {
      const { files, ffree } = statfsSync(folder);
      if (files > 0 && ffree === 0)
        return `all ${files} inodes of the disk of ${folder} are used up (\`df -i\`): remove files there`;
      break;
    } catch {
      // The file is not there: the folder above it tells.
    }
  }
  return 'the disk is full (`df`): free space on it';
}

function sysctl(path: string, what: string): string {
  const name = path.replaceAll('/', '.');
  const value = read(`/proc/sys/${path}`).replaceAll('\t', ' ');
  return `no more ${what}: ${name}${value ? ` is ${value}` : ', which is set on the host'}; raise it by \`sysctl -w ${name}=…\``;
}

/** The host's bound is for each user; that of a user namespace, which its owner may set, is for it all (namespaces(7)). */
function inotify(of: 'instances' | 'watches', what: string): string {
  const [host, own] = [`fs/inotify/max_user_${of}`, `user/max_inotify_${of}`] as const;
  const isOwn = Number(read(`/proc/sys/${own}`) || Infinity) < Number(read(`/proc/sys/${host}`) || Infinity);
  return sysctl(isOwn ? own : host, what);
}

/** '' when some are free, and the address is what there is not. */
function localPorts(): string {
  const [first = 0, last = 0] = read('/proc/sys/net/ipv4/ip_local_port_range').split(/\s+/).map(Number);
  const sockets = ['sockstat', 'sockstat6'].map((file) => read(`/proc/self/net/${file}`)).join('\n');
  const counts = [...sockets.matchAll(/^TCP6?: inuse (\d+)(?:.* tw (\d+))?/gm)];
  const inUse = counts.reduce((sum, [, inUse = 0, waiting = 0]) => sum + Number(inUse) + Number(waiting), 0);
  if (inUse < last - first + 1) return '';
  return sysctl('net/ipv4/ip_local_port_range', 'local ports to connect from');
}

function processes(): string {
  const own = limitOf('Max processes');
  const group = groupLimit('pids', 'pids.max', 'pids.max');
  return (
    `no more threads or processes: RLIMIT_NPROC is ${own} (\`ulimit -u\`)` +
    `${group ? `, ${group} (TasksMax= of its systemd unit, --pids-limit of its container)` : ''}, ` +
    `kernel.threads-max is ${read('/proc/sys/kernel/threads-max') || 'unknown'}`
  );
}

/** Since Linux 5.11 the memory of eBPF is the control group's; EPERM is then about something else. */
function lockedMemory(): string {
  const [major = 0, minor = 0] = read('/proc/sys/kernel/osrelease').split('.').map(Number);
  if (major > 5 || (major === 5 && minor >= 11)) return '';
  const locked = limitOf('Max locked memory');
  if (locked === 'unlimited') return '';
  return `memory for eBPF counts as locked on this kernel: RLIMIT_MEMLOCK is ${locked} bytes; raise it by \`ulimit -l unlimited\` or LimitMEMLOCK=infinity`;
}

function memory(): string {
  const available = /^MemAvailable:\s+(\d+ kB)/m.exec(read('/proc/meminfo'))?.[1] ?? 'unknown';
  const group = groupLimit('memory', 'memory.max', 'memory.limit_in_bytes');
  return (
    `no more memory: ${available} are available` +
    `${group ? `, ${group} (MemoryMax= of its systemd unit, --memory of its container)` : ''}`
  );
}

/** Version 1 of control groups writes no limit as the largest number that fits. */
const unlimited = 2 ** 62;

/** What this process's control group may have, in words, by the file in either version of control groups (cgroups(7)); '' unknown. */
function groupLimit(controller: string, file: string, formerFile: string): string {
  for (const line of read('/proc/self/cgroup').split('\n')) {
    const [id, controllers = '', path = ''] = line.split(':');
    const isFormer = controllers.split(',').includes(controller);
    if (!isFormer && id !== '0') continue;
    const [folder, name] = isFormer ? [`/${controllers}`, formerFile] : ['', file];
    const value = read(`/sys/fs/cgroup${folder}${path}/${name}`);
    if (value && !(Number(value) >= unlimited)) return `${name} of the control group is ${value}`;
    if (isFormer) return '';
  }
  return '';
}

/** Milliseconds for which the limit is taken as known: reading it needs a descriptor itself, and prlimit(1) may change it. */
const rememberMs = 1000;
let lastLimit = { value: Number.POSITIVE_INFINITY, until: 0 };

/** RLIMIT_NOFILE; as it was last seen where it cannot be read now. */
export function openFileLimit(): number {
  const now = performance.now();
  if (now < lastLimit.until) return lastLimit.value;
  const read = Number(limitOf('Max open files'));
  lastLimit = { value: Number.isNaN(read) ? lastLimit.value : read, until: now + rememberMs };
  return lastLimit.value;
}
// Before there is want of it.
openFileLimit();

/** Since Linux 6.2 the folder's size is their number (proc(5)). */
function openDescriptors(): number {
  try {
    return statSync('/proc/self/fd').size || readdirSync('/proc/self/fd').length;
  } catch {
    // Listing them needs a descriptor itself, and there is none.
    return openFileLimit();
  }
}

/** The soft limit, as /proc tells it now. */
function limitOf(name: string): string {
  const line = read('/proc/self/limits')
    .split('\n')
    .find((one) => one.startsWith(name));
  return line?.slice(name.length).trim().split(/\s+/)[0] ?? 'unknown';
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
