// npm test: sets a clone up and runs the suites in a network and a /run/netns of their own: nothing on this machine disturbs
// them, and whatever is there in the end is theirs. Arguments are vitest's, such as a part of a file name or -t NAME.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root, setup } from './setup.mjs';

/** Makes the folders private that the kernel's names of namespaces, the labs and certificates are in, then becomes what follows. */
const makePrivate =
  'for dir in /run/netns /run/nsm /var/lib/nsm; do mkdir -p "$dir" && mount -t tmpfs tmpfs "$dir" || exit; done; ip link set lo up && exec "$@"';
const isolation = ['unshare', '--mount', '--net', '--propagation', 'private', 'sh', '-c', makePrivate, 'sh'];

await setup('test');
const whyNot = whyNotIsolated();
const [command, ...args] = [
  ...(whyNot === '' ? isolation : []),
  process.execPath,
  join(root, 'scripts/run-suites.mjs'),
  whyNot,
  ...process.argv.slice(2),
];
const suites = spawn(command, args, { cwd: root, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => suites.kill(signal));
const [status, signal] = await once(suites, 'close');
process.exitCode = status ?? (signal === null ? 0 : 1);

/** '' where the suites can have a network of their own. */
function whyNotIsolated() {
  if (process.getuid?.() !== 0) return 'this is not root';
  const [file, ...rest] = [...isolation, 'true'];
  const tried = spawnSync(file, rest, { encoding: 'utf8' });
  return tried.status === 0 ? '' : (tried.error?.message ?? tried.stderr).trim() || 'unshare failed';
}
