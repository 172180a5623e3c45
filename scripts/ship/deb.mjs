// A Debian package of a folder: https://manpages.debian.org/deb.5. Needs no dpkg.
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { date, gzip, tar } from './archive.mjs';
import { copy, write } from './program.mjs';

/** Debian's names of processors. */
export const architecture = { x64: 'amd64', arm64: 'arm64', arm: 'armhf' }[process.arch] ?? process.arch;

/** Writes the package of what is in `content` to `file`. `debian` has `control`, with words to fill in, and the maintainer scripts. */
export function writeDeb({ content, debian, version, file }) {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-deb-'));
  try {
    const control = join(folder, 'control');
    mkdirSync(control);
    const files = filesOf(content);
    const size = files.reduce((sum, path) => sum + Math.ceil(lstatSync(path).size / 1024), 0);
    const words = { VERSION: version, ARCHITECTURE: architecture, SIZE: size };
    for (const name of readdirSync(debian))
      if (name !== 'control') copy(join(debian, name), join(control, name), 0o755);
    const text = readFileSync(join(debian, 'control'), 'utf8');
    write(
      join(control, 'control'),
      text.replace(/\b[A-Z]{4,}\b/g, (word) => words[word] ?? word),
    );
    const sums = files
      .filter((path) => lstatSync(path).isFile())
      .map(
        (path) =>
          `${createHash('md5').update(readFileSync(path)).digest('hex')}  ${relative(content, path)}\n`,
      );
    write(join(control, 'md5sums'), sums.join(''));
    const [controlTar, dataTar] = [join(folder, 'control.tar'), join(folder, 'data.tar')];
    tar(control, controlTar);
    tar(content, dataTar);
    const members = [
      ['debian-binary', Buffer.from('2.0\n')],
      ['control.tar.gz', gzip(controlTar)],
      ['data.tar.gz', gzip(dataTar)],
    ];
    writeFileSync(file, Buffer.concat([Buffer.from('!<arch>\n'), ...members.flatMap(member)]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Name, date, owner, group, mode and size, in columns; an odd size is made even. */
function member([name, bytes]) {
  const columns = [
    [name, 16],
    [date, 12],
    [0, 6],
    [0, 6],
    ['100644', 8],
    [bytes.length, 10],
  ];
  const header = columns.map(([value, width]) => `${value}`.padEnd(width)).join('');
  return [Buffer.from(`${header}\`\n`), bytes, Buffer.from(bytes.length % 2 === 1 ? '\n' : '')];
}

/** Paths of everything but folders, in order. */
function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
