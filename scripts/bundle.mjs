// Puts the compiled packages and what they import together into few files, in a folder below packages/cli/dist/bundle: what `nsm` runs.
// Which folder that is, the file `current` says: commands that begin while it changes, and daemons that run, have all of their own.
// Used by setup.mjs and the tests, and by itself: node scripts/bundle.mjs. Quick when nothing has changed.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { placeDescriptors } from './bundle-descriptors.mjs';
import { buildPage } from './page.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = join(root, 'packages');
const command = join(packages, 'cli');
const bundles = join(command, 'dist/bundle');
const current = join(bundles, 'current');
/** Of a bundle: every file of ours that went into it, the npm packages, and the version of Node.js that it is for. */
const listName = 'inputs.json';
/** Milliseconds after which a bundle that is neither the current one nor the one before is removed. */
const keptMs = 600_000;

/** How what runs in Node.js is put together. */
export const forNode = {
  // What comes from where is told by paths from here.
  cwd: root,
  platform: 'node',
  // Of packages that have both, the form of which only what is used is taken.
  resolve: { mainFields: ['module', 'main'] },
  // It stays in node_modules, for what no part asks of gRPC; so does the library of machine code that koffi loads by itself.
  external: ['@grpc/proto-loader'],
  plugins: [placeDescriptors],
};
/** V8 holds the text of all that it runs, and each thread of a manager its own. */
export const fewComments = { legal: true, annotation: false, jsdoc: false };

/** Makes the bundle anew when anything that went into it has changed. */
export async function bundle() {
  const ofPage = await buildPage();
  if (isFresh()) return;
  const { rolldown } = await import('rolldown');
  const name = `${Date.now()}-${process.pid}`;
  const folder = join(bundles, name);
  try {
    const build = await rolldown({
      ...forNode,
      input: { main: join(command, 'dist/main.js') },
      plugins: [...forNode.plugins, placeFiles],
    });
    const { output: written } = await build.write({
      dir: folder,
      format: 'cjs',
      // Code that is loaded with what V8 made of it cannot import.
      dynamicImportInCjs: false,
      comments: fewComments,
      entryFileNames: '[name].js',
      chunkFileNames: ({ name, facadeModuleId: module }) => `${module ? nameOf(module) : name}.js`,
    });
    const read = await build.watchFiles;
    await build.close();
    // The clone may be moved, or copied.
    const inputs = read.filter((file) => !file.includes('node_modules')).map((file) => relative(root, file));
    const npmPackages = [...new Set([...ofPage, ...read.flatMap((file) => npmPackageOf(file) ?? [])])].sort();
    for (const { type, fileName, code } of written)
      if (type === 'chunk') writeFileSync(join(folder, fileName), escaped(code));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'commonjs' }));
    // Loaded by commands; threads and programs begin to work when they are loaded.
    const parts = written.filter(({ isDynamicEntry, isEntry }) => isDynamicEntry && !isEntry);
    writeCode(
      folder,
      parts.map(({ fileName }) => fileName),
    );
    writeFileSync(join(folder, listName), JSON.stringify({ node: process.version, inputs, npmPackages }));
    putInPlace(name);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** In one step; of builds at the same time the last one stays. */
function putInPlace(name) {
  const former = currentName();
  writeFileSync(`${current}.${process.pid}`, name);
  renameSync(`${current}.${process.pid}`, current);
  for (const other of readdirSync(bundles)) {
    const path = join(bundles, other);
    if (other !== name && other !== former && path !== current && Date.now() - timeOf(path) > keptMs)
      rmSync(path, { recursive: true, force: true });
  }
}

/** The folder that `nsm` runs, and the npm packages that went into it, by their keys in package-lock.json. */
export function currentBundle() {
  const folder = join(bundles, currentName());
  const { npmPackages } = JSON.parse(readFileSync(join(folder, listName), 'utf8'));
  return { folder, npmPackages };
}

/** Name of the folder that `nsm` runs; '' before there is one. */
function currentName() {
  try {
    return readFileSync(current, 'utf8');
  } catch {
    return '';
  }
}

/** V8 holds a text with two bytes for each of its characters when any of them is beyond Latin-1. */
function escaped(code) {
  return code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** By this name vitest calls it before the tests, whoever has compiled them. */
export { bundle as setup };

/** A start is a third shorter with it. Without it everything works. Stack traces name the folder in which it was made. */
function writeCode(folder, files) {
  const program = join(root, 'scripts/bundle-code.cjs');
  const { error } = spawnSync(process.execPath, [program, folder, ...files], { stdio: 'ignore' });
  if (error) throw error;
}

function isFresh() {
  const list = join(bundles, currentName(), listName);
  const made = timeOf(list);
  if (made === 0) return false;
  const { node, inputs = [] } = JSON.parse(readFileSync(list, 'utf8'));
  const others = [
    ...['scripts/bundle.mjs', 'scripts/bundle-code.cjs', 'scripts/bundle-descriptors.mjs'],
    ...['packages/cli/bin/load.js', 'node_modules/.package-lock.json'],
  ];
  const files = [...inputs, ...others].map((file) => join(root, file));
  return (
    node === process.version &&
    files.every((file) => {
      const changed = timeOf(file);
      return changed > 0 && changed < made;
    })
  );
}

/**
 * What a module finds by `new URL('./x', import.meta.url)`: programs and threads become entries of the bundle, other files are
 * copied beside it. Those of the command's own package stay where they are.
 */
const placeFiles = {
  name: 'place-files',
  transform: {
    filter: { code: /new URL\(.*import\.meta\.url\)/ },
    handler(code, module) {
      const place = (file) => {
        if (file.startsWith(`${command}${sep}`) && !file.startsWith(join(command, 'dist')))
          return relative(join(bundles, 'any'), file);
        const fileName = basename(file);
        if (file.endsWith('.js')) {
          const entry = fileName.replace(/js$/, 'entry.js');
          this.emitFile({ type: 'chunk', id: file, fileName: entry });
          const source = `require('../../../bin/load.js').load(require('node:path').join(__dirname, '${entry}'));\n`;
          this.emitFile({ type: 'asset', fileName, source });
        } else {
          this.addWatchFile(file);
          this.emitFile({ type: 'asset', fileName, source: readFileSync(file) });
        }
        return `./${fileName}`;
      };
      return code.replace(
        /new URL\((['"])(\.[^'"]+)\1, import\.meta\.url\)/g,
        (_, quote, path) => `new URL(${quote}${place(join(dirname(module), path))}${quote}, import.meta.url)`,
      );
    },
  },
};

/** Where in package-lock.json the npm package of a file is: `node_modules/pino`. */
function npmPackageOf(file) {
  return /^(?:.*node_modules\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(relative(root, file))?.[0];
}

/** `get-handler` for packages/cli/dist/cmds/get/handler.js; some npm packages load files of their own when they need them. */
function nameOf(module) {
  const parts = relative(packages, module).replace(/\.js$/, '').split(sep);
  return parts
    .filter((part) => !['cli', 'dist', 'cmds', 'index', '..', 'node_modules'].includes(part))
    .join('-');
}

function timeOf(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) await bundle();
