// What a test run has left behind, found without the library under test: by `ip`, /proc and the file system.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { namePrefix } from './test-namespaces.js';

interface ListedLink {
  readonly ifname: string;
}

const lines = (command: string, args: string[]): string[] =>
  execFileSync(command, args, { encoding: 'utf8' }).split('\n').filter(Boolean);

const linkNames = (): string[] =>
  (JSON.parse(execFileSync('ip', ['-json', 'link'], { encoding: 'utf8' })) as ListedLink[]).map(
    (link) => link.ifname,
  );

const childProcesses = (): string[] => {
  const found: string[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      // The checker's own helpers are gone by now; zombies have no command line.
      if (Number(parent) === process.pid && command !== '') found.push(`process ${entry}: ${command}`);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
};

// Taken when the test file is loaded; what was there then is not ours.
const linksBefore = new Set(linkNames());
const processesBefore = new Set(childProcesses());

/**
 * Everything of this process that should be gone by now: named namespaces and mounts with {@link namePrefix}, links in
 * the current namespace and child processes that were not there at the start. Empty is good: use it in `afterAll`.
 */
export const leaks = (prefix: string = namePrefix): string[] => {
  const namespaces = lines('ip', ['netns', 'list'])
    .filter((line) => line.startsWith(prefix))
    .map((line) => `namespace ${line}`);
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`/run/netns/${prefix}`))
    .map((line) => `mount ${line}`);
  const links = linkNames()
    .filter((name) => !linksBefore.has(name))
    .map((name) => `link ${name}`);
  const processes = childProcesses().filter((entry) => !processesBefore.has(entry));
  return [...namespaces, ...mounts, ...links, ...processes];
};
