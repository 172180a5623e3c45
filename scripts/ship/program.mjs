// The program as it is shipped, in images and in packages: /usr/lib/nsm with a Node.js of its own, and /usr/bin/nsm.
// V8's code is left out (scripts/bundle-code.cjs): V8 never writes the same bytes twice, and what is shipped is to be the same whenever
// it is made from the same sources.
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { bundle, currentBundle } from '../bundle.mjs';
import { root } from '../setup.mjs';

/** Where the program is installed. */
export const home = '/usr/lib/nsm';
/** The name of the bundle's folder: that of a clone is another one for each build. */
const bundleName = 'program';
const koffiLibrary = `@koromix/koffi-linux-${process.arch}`;
/** Loaded beside the bundle, which cannot contain a library of machine code. */
const besideTheBundle = [koffiLibrary];
/** What of the program the dynamic linker loads, besides Node.js. */
export const machineCode = join(root, 'node_modules', koffiLibrary, `linux_${process.arch}/koffi.node`);

/** The Node.js that runs this, as the program's own. */
export function layNode(folder) {
  copy(process.execPath, join(folder, home, 'bin/node'), 0o755);
}

/** Lays the program itself out below `folder`, and returns the npm packages in it, by their keys in package-lock.json. */
export async function layProgram(folder) {
  await bundle();
  const { folder: bundled, npmPackages } = currentBundle();
  const to = join(folder, home);
  const command = join(root, 'packages/cli');
  copy(join(command, 'package.json'), join(to, 'package.json'));
  copy(join(command, 'bin/package.json'), join(to, 'bin/package.json'));
  copy(join(command, 'bin/load.js'), join(to, 'bin/load.js'));
  // Without /usr/bin/env, and never with another Node.js.
  const start = readFileSync(join(command, 'bin/nsm.js'), 'utf8').replace(/^#!.*/, `#!${home}/bin/node`);
  write(join(to, 'bin/nsm.js'), start, 0o755);
  for (const name of readdirSync(bundled))
    if (!name.endsWith('.code') && name !== 'inputs.json')
      copy(join(bundled, name), join(to, 'dist/bundle', bundleName, name));
  write(join(to, 'dist/bundle/current'), bundleName);
  for (const name of besideTheBundle) copyPackage(`node_modules/${name}`, to);
  copy(join(root, 'LICENSE'), join(folder, 'usr/share/doc/nsm/copyright'));
  mkdirSync(join(folder, 'usr/bin'), { recursive: true });
  symlinkSync(`..${home.slice('/usr'.length)}/bin/nsm.js`, join(folder, 'usr/bin/nsm'));
  return [...npmPackages, ...besideTheBundle.map((name) => `node_modules/${name}`)];
}

/** What of an npm package is loaded: neither its documentation nor its sources in C, and no library for musl. */
function copyPackage(from, to) {
  for (const name of readdirSync(join(root, from), { recursive: true }))
    if (/\.(c?js|json|node|txt)$/.test(name) && !name.includes('musl_') && !name.startsWith('vendor'))
      copy(join(root, from, name), join(to, from, name));
}

/** A copy that everybody may read, as whoever made the clone may have kept its files to itself. */
export function copy(from, to, mode = 0o644) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

/** Writes a file that everybody may read. */
export function write(file, text, mode = 0o644) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}
