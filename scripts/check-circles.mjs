// Refuses circles of folders and of packages: `node scripts/check-circles.mjs [ROOT]` prints each circle with the imports that
// close it. ROOT is the clone to check; default: this one.
// A folder of src is a node, so is each file that lies in src itself; imports of types count. The files of tests are left out:
// they stand beside the code they test, and may assemble all of the package around it.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const imported = /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']*)'/g;

const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`);
let found = report('packages', packageGraph(packages));
for (const folder of [...packages, 'bench', 'test']) {
  const src = join(root, folder, 'src');
  if (existsSync(src)) found += report(folder, folderGraph(src));
}
process.exitCode = found > 0 ? 1 : 0;

/** @returns by node, the nodes it uses, each with an example of who uses it. */
function folderGraph(src) {
  const graph = new Map();
  for (const file of sourcesIn(src)) {
    const own = nodeOf(src, file);
    const uses = graph.get(own) ?? new Map();
    graph.set(own, uses);
    for (const [, path] of readFileSync(file, 'utf8').matchAll(imported)) {
      const target = normalize(join(dirname(file), path));
      const used = nodeOf(src, target.replace(/\.js$/, '.ts'));
      if (used !== own && !used.startsWith('..'))
        uses.set(used, `${relative(src, file)} imports ${relative(src, target)}`);
    }
  }
  return graph;
}

/** @returns by package, the workspace's packages that it depends on. */
function packageGraph(folders) {
  const manifests = folders.map((folder) =>
    JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')),
  );
  const names = new Set(manifests.map(({ name }) => name));
  return new Map(
    manifests.map(({ name, dependencies, devDependencies }) => [
      name,
      new Map(
        Object.keys({ ...dependencies, ...devDependencies })
          .filter((other) => names.has(other))
          .map((other) => [other, `${name} depends on ${other}`]),
      ),
    ]),
  );
}

/** The strongly connected components of more than one node, by Tarjan's algorithm. */
function circlesOf(graph) {
  const indexes = new Map();
  const lowest = new Map();
  const stack = [];
  const circles = [];
  const visit = (node) => {
    indexes.set(node, indexes.size);
    lowest.set(node, indexes.get(node));
    stack.push(node);
    for (const next of graph.get(node)?.keys() ?? []) {
      if (!indexes.has(next)) visit(next);
      else if (!stack.includes(next)) continue;
      lowest.set(node, Math.min(lowest.get(node), lowest.get(next)));
    }
    if (lowest.get(node) !== indexes.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) circles.push(circle);
  };
  for (const node of graph.keys()) if (!indexes.has(node)) visit(node);
  return circles;
}

function nodeOf(src, file) {
  const folder = dirname(relative(src, file));
  return folder === '.' ? basename(file) : `${folder}/`;
}

function sourcesIn(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.ts') && !/\.test\./.test(file))
    .map((file) => join(folder, file));
}

function report(where, graph) {
  const circles = circlesOf(graph);
  for (const circle of circles) {
    console.error(`${where}: a circle of ${circle.toSorted().join(', ')}`);
    for (const node of circle)
      for (const [used, example] of graph.get(node)) if (circle.includes(used)) console.error(`  ${example}`);
  }
  return circles.length;
}
