// The mesh's processes on this machine: how they were started, what they use, and what they write.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { defaultRunDir } from '../../flags/common-flags.js';
import { leftOut } from './secrets.js';

const commands = new Set([
  'manager',
  'forwarder',
  'registry',
  'endpoint',
  'dashboard',
  'kubernetes',
  'connect',
]);
/** Bytes of the end of a log. */
const logBytes = 512 * 1024;
/** Flags and variables that are secret themselves, and those that name a file that is. */
const secretFlags = ['--join', '--token'];
const secretVariable = /PASSWORD|TOKEN|SECRET|NSM_JOIN/;
const secretFiles = ['--etcd-password-file', 'NSM_ETCD_PASSWORD_FILE'];

export interface Daemon {
  readonly pid: number;
  readonly uid: number;
  /** Such as `manager`. */
  readonly command: string;
  readonly arguments: readonly string[];
  /** Variables of the mesh; empty where they may not be read. */
  readonly environment: Readonly<Record<string, string>>;
  readonly memoryKib: number;
  readonly threads: number;
  readonly descriptors: number;
  readonly bpfMaps: readonly BpfMap[];
}

/** As the kernel tells of a descriptor (fdinfo). Sizes in bytes. */
export interface BpfMap {
  readonly id: number;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly memory: number;
}

/** Those that can be seen from here. */
export function readDaemons(): Daemon[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => readDaemon(Number(pid)) ?? []);
}

function readDaemon(pid: number): Daemon | undefined {
  const folder = `/proc/${pid}`;
  const words = readText(join(folder, 'cmdline')).split('\0').slice(0, -1);
  const at = words.findIndex((word) => ['nsm', 'nsm.js'].includes(basename(word)));
  const command = words[at + 1] ?? '';
  if (at < 0 || !commands.has(command)) return undefined;
  const status = readText(join(folder, 'status'));
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  const infos = namesIn(join(folder, 'fdinfo')).map((name) => readText(join(folder, 'fdinfo', name)));
  return {
    pid,
    uid: field('Uid'),
    command,
    arguments: words.slice(at + 2),
    environment: environmentOf(folder),
    memoryKib: field('VmRSS'),
    threads: field('Threads'),
    descriptors: infos.length,
    bpfMaps: infos.flatMap((info) => bpfMapOf(info) ?? []),
  };
}

function environmentOf(folder: string): Record<string, string> {
  const entries = readText(join(folder, 'environ')).split('\0');
  return Object.fromEntries(
    entries
      .filter((entry) => /^(NSM|POD|KUBERNETES)_/.test(entry))
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

function bpfMapOf(info: string): BpfMap | undefined {
  if (!info.includes('map_type:')) return undefined;
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  return {
    id: field('map_id'),
    type: field('map_type'),
    keySize: field('key_size'),
    valueSize: field('value_size'),
    maxEntries: field('max_entries'),
    memory: field('memlock'),
  };
}

/** Folder of its sockets, where the process has one. */
export function runDirOf({ command, arguments: words, environment }: Daemon): string | undefined {
  if (command === 'registry' || command === 'kubernetes') return undefined;
  return givenTo(words, ['--run-dir'])[0] ?? environment.NSM_RUN_DIR ?? defaultRunDir;
}

/** Whether a process was told to listen on one of these ports. */
export function listensOn({ arguments: words, environment }: Daemon, ports: ReadonlySet<string>): boolean {
  const [listen = environment.NSM_LISTEN ?? ''] = givenTo(words, ['--listen']);
  return ports.has(listen.slice(listen.lastIndexOf(':') + 1));
}

/** Root's or this user's: files that another user's process names are not opened, as they may be anything. */
function isTrusted({ uid }: Daemon): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** Secrets that the processes were given: they may stand in logs, too. */
export function secretsOf(daemons: readonly Daemon[]): string[] {
  return daemons.filter(isTrusted).flatMap(({ arguments: words, environment }) => {
    const variables = Object.entries(environment);
    const files = [
      ...givenTo(words, secretFiles),
      ...variables.filter(([name]) => secretFiles.includes(name)).map(([, path]) => path),
    ];
    return [
      // TOKEN of TOKEN@HOST:PORT.
      ...givenTo(words, secretFlags).map((text) => text.replace(/@[^@]*$/, '')),
      ...variables
        .filter(([name]) => secretVariable.test(name) && !secretFiles.includes(name))
        .map(([, value]) => value.replace(/@[^@]*$/, '')),
      ...files.map((path) => readText(path).trim()),
    ];
  });
}

/** As it is told to others: with the names of secrets that it was given, and not with the secrets, whoever runs it. */
export function withoutSecrets(daemon: Daemon): Daemon {
  const { arguments: words, environment } = daemon;
  return {
    ...daemon,
    arguments: words.map((word, index) => {
      if (secretFlags.includes(words[index - 1] ?? '')) return leftOut;
      const flag = secretFlags.find((one) => word.startsWith(`${one}=`));
      return flag === undefined ? word : `${flag}=${leftOut}`;
    }),
    environment: Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        secretVariable.test(name) && !secretFiles.includes(name) ? leftOut : value,
      ]),
    ),
  };
}

/** Values of flags, each `--flag value` or `--flag=value`. */
function givenTo(words: readonly string[], flags: readonly string[]): string[] {
  return words.flatMap((word, index) =>
    flags.flatMap((flag) => {
      if (word === flag) return words[index + 1] ?? [];
      return word.startsWith(`${flag}=`) ? word.slice(flag.length + 1) : [];
    }),
  );
}

/** The end of what a process writes to its standard output, where that is a file. */
export function logOf(daemon: Daemon): string | undefined {
  const path = `/proc/${daemon.pid}/fd/1`;
  try {
    if (!isTrusted(daemon) || !statSync(path).isFile()) return undefined;
    const descriptor = openSync(path, 'r');
    try {
      const { size } = fstatSync(descriptor);
      const buffer = Buffer.alloc(Math.min(size, logBytes));
      const length = readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString('utf8', 0, length);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
