// Preloaded in the processes and threads of the tests: the threads that compiled code starts are those of the bundle, as they are in
// what is shipped, and those of the tests have a bundle of their own (bundle-test-threads.mjs). Each loads in a fraction of the time.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundles = join(root, 'packages/cli/dist/bundle');

/** Where a bundle has the program of a thread; the program itself where none has it. */
function shipped(program) {
  const isUrl = program instanceof URL;
  if (isUrl && program.protocol !== 'file:') return program;
  const path = isUrl ? fileURLToPath(program) : program;
  if (!path.startsWith(join(root, 'packages')) || !path.includes('/dist/')) return program;
  const places = [
    join(bundles, readFileSync(join(bundles, 'current'), 'utf8'), basename(path)),
    path.replace(/\.js$/, '.bundle.js'),
  ];
  return places.find(existsSync) ?? program;
}

const threads = createRequire(import.meta.url)('node:worker_threads');
threads.Worker = class extends threads.Worker {
  constructor(program, options) {
    super(shipped(program), options);
  }
};
syncBuiltinESMExports();
