// A unit of deploy/systemd, and how its command is run as systemd would: user, capabilities, no new privileges, system calls.
// Not tried without systemd: its mount namespaces (Protect…, Private…, ReadWritePaths), its cgroups (MemoryMax, TasksMax, DevicePolicy).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Filter } from './with-seccomp.js';

const folder = fileURLToPath(new URL('../../../deploy/systemd/', import.meta.url));
const loader = fileURLToPath(new URL('./with-seccomp.js', import.meta.url));

// socket(2), sched.h
const families = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, AF_PACKET: 17 } as const;
const CLONE_NEWNET = 0x40000000;

export class SystemdUnit {
  readonly #settings = new Map<string, string[]>();

  /** @param name such as `nsm-manager`. */
  constructor(name: string) {
    for (const line of readFileSync(`${folder}${name}.service`, 'utf8').split('\n')) {
      const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
      if (key !== undefined && value !== undefined)
        this.#settings.set(key, [...(this.#settings.get(key) ?? []), value]);
    }
  }

  /** Every value of a setting, in its order. @throws Error when the unit has none */
  all(key: string): readonly string[] {
    const values = this.#settings.get(key);
    if (!values) throw new Error(`the unit has no ${key}`);
    return values;
  }

  /** @throws Error unless the unit has one */
  get(key: string): string {
    const [value, ...more] = this.all(key);
    if (value === undefined || more.length > 0) throw new Error(`the unit has ${more.length + 1} ${key}`);
    return value;
  }

  /** Without `CAP_`, in lower case. */
  get capabilities(): readonly string[] {
    return words(this.get('CapabilityBoundingSet')).map((name) => name.replace('CAP_', '').toLowerCase());
  }

  /** Undefined where no systemd tells what its sets of system calls are. */
  get filter(): Filter | undefined {
    const calls = new Set<string>();
    const values = this.all('SystemCallFilter');
    try {
      for (const value of values) {
        const names = words(value.replace(/^~/, '')).flatMap(callsOf);
        for (const name of names)
          if (value.startsWith('~')) calls.delete(name);
          else calls.add(name);
      }
    } catch {
      return undefined;
    }
    return {
      calls: [...calls],
      families: words(this.get('RestrictAddressFamilies')).map(
        (name) => families[name as keyof typeof families],
      ),
      namespaces: this.get('RestrictNamespaces') === 'net' ? [CLONE_NEWNET] : [],
    };
  }

  /**
   * What is put before the command.
   * @param user whose group has the same number. @param groups more of its groups. @param capabilities default: those of the unit
   */
  before(
    user: number,
    groups: readonly number[] = [],
    capabilities: readonly string[] = this.capabilities,
  ): readonly string[] {
    if (this.get('NoNewPrivileges') !== 'yes') throw new Error('the unit allows new privileges');
    // It is not put in force: the files are closed to others under any umask.
    if (this.get('UMask') !== '0077') throw new Error('the unit leaves files open to others');
    const set = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
    const more = groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups';
    const { filter } = this;
    return [
      ...['prlimit', `--core=${this.get('LimitCORE')}`],
      ...['setpriv', `--reuid=${user}`, `--regid=${user}`, more, '--no-new-privs'],
      ...[`--inh-caps=${set}`, `--ambient-caps=${set}`, `--bounding-set=${set}`],
      ...(filter ? [process.execPath, loader, JSON.stringify(filter)] : []),
    ];
  }
}

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');

/** Of a set, those that systemd names, of sets among them theirs. @throws Error where there is no systemd */
function callsOf(name: string): string[] {
  if (!name.startsWith('@')) return [name];
  return execFileSync('systemd-analyze', ['syscall-filter', name], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /^ +[@\w]/.test(line))
    .flatMap((line) => callsOf(line.trim()));
}
