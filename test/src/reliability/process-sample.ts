// What a process holds at a moment, by /proc.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { run } from '@nsm/testkit';

export interface ProcessSample {
  /** MiB */
  readonly memory: number;
  readonly descriptors: number;
  readonly netlinkSockets: number;
  readonly threads: number;
}

/** Inodes of the netlink sockets that were opened in any of these namespaces (under /run/netns). */
export async function netlinkSocketsOf(namespaces: readonly string[]): Promise<ReadonlySet<string>> {
  const tables = await Promise.all(namespaces.map((name) => run(name, 'cat', ['/proc/net/netlink'])));
  return new Set(
    tables.flatMap((table) =>
      table
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/).at(-1) ?? ''),
    ),
  );
}

export function sampleProcess(pid: number, netlinkSockets: ReadonlySet<string>): ProcessSample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const links = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
  const sockets = links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '');
  return {
    memory: Math.round(field('VmRSS') / 1024),
    descriptors: links.length,
    netlinkSockets: sockets.filter((inode) => netlinkSockets.has(inode)).length,
    threads: field('Threads'),
  };
}
