// Programs and shared libraries of this machine, every library that they need, and the Debian packages that they are of.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { findCommand } from '../setup.mjs';

/** Paths of the libraries that files need: in real folders, by the names that the dynamic linker looks for. */
export function librariesOf(files) {
  const found = new Set();
  for (const file of files) {
    const { stdout, error } = spawnSync('ldd', [file], { encoding: 'utf8' });
    if (error) throw error;
    for (const [, path] of stdout.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm))
      found.add(join(realpathSync(dirname(path)), basename(path)));
  }
  return [...found].sort();
}

/** Path of a program. Throws when it is not installed. */
export function program(name) {
  const path = findCommand(name);
  if (path === undefined) throw new Error(`there is no ${name} here: install the Debian package that has it`);
  return join(realpathSync(dirname(path)), name);
}

/** Path of a library that is loaded by name while the program runs. Throws when it is not installed. */
export function library(name) {
  const folders = [
    '/usr/lib',
    ...readdirSync('/usr/lib').map((folder) => join('/usr/lib', folder)),
    '/usr/lib64',
  ];
  const path = folders.map((folder) => join(folder, name)).find(existsSync);
  if (path === undefined) throw new Error(`there is no ${name} here: install the Debian package that has it`);
  return path;
}

/** Name, version and source of the Debian packages that files are of; of files that are of none, nothing. */
export function debianPackagesOf(files) {
  // dpkg knows the files of packages made before /lib became a link by their old name.
  const paths = files.flatMap((file) => [file, realpathSync(file), file.replace(/^\/usr/, '')]);
  const search = spawnSync('dpkg-query', ['--search', ...paths], { encoding: 'utf8' });
  const owners = new Set((search.stdout ?? '').match(/^\S+(?=: )/gm));
  if (owners.size === 0) return [];
  const format = ['Package', 'Version', 'Architecture', 'source:Package']
    .map((field) => `\${${field}}`)
    .join(' ');
  const { stdout } = spawnSync('dpkg-query', ['--show', `--showformat=${format}\\n`, ...owners], {
    encoding: 'utf8',
  });
  return stdout
    .trim()
    .split('\n')
    .sort()
    .map((line) => line.split(' '))
    .map(([name, version, architecture, source]) => ({ name, version, architecture, source }));
}
