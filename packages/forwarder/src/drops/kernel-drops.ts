// The packets that the kernel of this node drops, and why: the tracepoint skb:kfree_skb, since Linux 5.17 with reasons, by tracefs.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoName } from '@nsm/netlink';

/** Documentation/trace/ftrace.rst, "Instances": buffers and events of their own, beside those of others. */
const folders = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];
const prefix = 'nsm-drops-';
/** KiB of each processor: some thousand drops. */
const bufferKib = 512;

export interface KernelDropReport {
  readonly reason: string;
  /** Function of the kernel. */
  readonly place: string;
  /** EtherType. */
  readonly protocol: number;
  readonly count: number;
}

/** From when it is made until it is disposed of. */
export class KernelDrops implements Disposable {
  /** Why the kernel does not tell; '' when it does. */
  readonly missing: string;
  readonly #instance: string | undefined;

  constructor() {
    const root = folders.find((folder) => existsSync(join(folder, 'instances')));
    if (root === undefined) {
      this.missing = 'tracefs is not mounted on /sys/kernel/tracing';
      return;
    }
    removeLeft(root);
    const instance = join(root, 'instances', `${prefix}${process.pid}-${Date.now()}`);
    try {
      mkdirSync(instance);
    } catch (error) {
      this.missing = `no trace can be begun: ${codeOf(error)}`;
      return;
    }
    this.#instance = instance;
    try {
      writeFileSync(join(instance, 'buffer_size_kb'), String(bufferKib));
      writeFileSync(join(instance, 'events/skb/kfree_skb/enable'), '1');
      this.missing = '';
    } catch (error) {
      this.missing = `the tracepoint skb:kfree_skb cannot be switched on: ${codeOf(error)}`;
    }
  }

  /** So far, the most frequent first. */
  seen(): KernelDropReport[] {
    return this.#instance === undefined || this.missing !== ''
      ? []
      : parseDrops(readFileSync(join(this.#instance, 'trace'), 'utf8'));
  }

  [Symbol.dispose](): void {
    if (this.#instance === undefined) return;
    try {
      writeFileSync(join(this.#instance, 'events/enable'), '0');
      rmdirSync(this.#instance);
    } catch {
      // The next one removes it.
    }
  }
}

/** Of forwarders that were killed meanwhile. */
function removeLeft(root: string): void {
  for (const name of readdirSync(join(root, 'instances'))) {
    const [, pid] = new RegExp(`^${prefix}(\\d+)-`).exec(name) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      rmdirSync(join(root, 'instances', name));
    } catch {
      // Somebody reads it.
    }
  }
}

/** Reasons that say of a packet only that nobody was waiting for it, such as at the end of a socket. */
const everyday = [
  'NO_SOCKET',
  'SOCKET_CLOSE',
  'SOCKET_FILTER',
  'UNIX_DISCONNECT',
  'UNIX_SKIP_OOB',
  'QUEUE_PURGE',
  'TCP_OLD_DATA',
  'TCP_OLD_ACK',
];

/** Where the packets end by which programs are tried. */
const ownTrial = 'bpf_prog_test_run_skb';

/** @param text of a trace: a line for each packet. */
export function parseDrops(text: string): KernelDropReport[] {
  const found = new Map<string, KernelDropReport>();
  for (const [, protocol = '', place = '', reason = ''] of text.matchAll(
    /kfree_skb: .*?protocol=(\d+) location=([\w.]+)\S* reason: (\w+)/g,
  )) {
    if (everyday.includes(reason) || place === ownTrial) continue;
    const key = `${reason} ${place} ${protocol}`;
    const count = (found.get(key)?.count ?? 0) + 1;
    found.set(key, { reason, place, protocol: Number(protocol), count });
  }
  return [...found.values()].toSorted((a, b) => b.count - a.count);
}

function codeOf(error: unknown): string {
  const { errno, code } = error as NodeJS.ErrnoException;
  return errno === undefined ? (code ?? String(error)) : errnoName(Math.abs(errno));
}
