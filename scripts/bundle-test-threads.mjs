// Puts each thread of the tests that runs a whole manager into one file, beside its compiled one: it loads in a third of the time.
// vitest calls it before the tests, and scripts/shipped-threads.mjs starts what it makes. Quick when nothing has changed.
import { readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fewComments, forNode } from './bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const threads = ['packages/manager/dist/manager.test.worker.js'];

export async function setup() {
  for (const thread of threads) {
    const file = join(root, thread);
    const bundle = file.replace(/\.js$/, '.bundle.js');
    if (isFresh(bundle)) continue;
    const { rolldown } = await import('rolldown');
    // An ES module has no folder by which koffi finds its machine code, and its descriptors are read before their reader is there.
    const forThread = { ...forNode, external: [...forNode.external, 'koffi'], plugins: [] };
    const build = await rolldown({ ...forThread, input: file });
    const made = `${bundle}.${process.pid}`;
    await build.write({ file: made, format: 'esm', codeSplitting: false, comments: fewComments });
    await build.close();
    renameSync(made, bundle);
  }
}

/** Whether a bundle is younger than all that is compiled and installed. */
function isFresh(bundle) {
  const made = timeOf(bundle);
  const compiled = readdirSync(join(root, 'packages'), { recursive: true })
    .filter((name) => /^[^/]+\/dist\/(?!bundle\/).*(?<!\.bundle)\.js$/.test(name))
    .map((name) => `packages/${name}`);
  return [...compiled, 'node_modules/.package-lock.json'].every((name) => timeOf(join(root, name)) < made);
}

function timeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
