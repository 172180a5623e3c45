// Preloaded in the processes and threads of the tests: the threads that compiled code starts are those of the bundle, as they are in
// what is shipped. Each loads in a fifth of the time.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundles = join(root, 'packages/cli/dist/bundle');

/** Where the bundle has the program of a thread; the program itself where the bundle does not have it, such as those of tests. */
function shipped(program) {
  const path = program instanceof URL ? fileURLToPath(program) : program;
  if (!path.startsWith(join(root, 'packages')) || !path.includes('/dist/')) return program;
  const inBundle = join(bundles, readFileSync(join(bundles, 'current'), 'utf8'), basename(path));
  return existsSync(inBundle) ? inBundle : program;
}

const threads = createRequire(import.meta.url)('node:worker_threads');
threads.Worker = class extends threads.Worker {
  constructor(program, options) {
    super(shipped(program), options);
  }
};
syncBuiltinESMExports();
