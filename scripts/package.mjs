// npm run package: the nsm command with its own Node.js and the units of systemd, as dist/nsm_VERSION_ARCHITECTURE.deb and as a tar file
// of the same files, to be unpacked at /. Arguments: --revision N (1 by default), Debian's number of a package of the same version;
// --out FOLDER.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './setup.mjs';
import { gzip, tar } from './ship/archive.mjs';
import { architecture, writeDeb } from './ship/deb.mjs';
import { copy, layNode, layProgram } from './ship/program.mjs';

// The modes of folders are the same for everybody.
process.umask(0o022);
const { values } = parseArgs({
  options: {
    revision: { type: 'string', default: '1' },
    out: { type: 'string', default: join(root, 'dist') },
  },
});
const { version } = JSON.parse(readFileSync(join(root, 'packages/cli/package.json'), 'utf8'));
const out = resolve(values.out);
mkdirSync(out, { recursive: true });

const folder = mkdtempSync(join(tmpdir(), 'nsm-package-'));
try {
  const content = join(folder, 'content');
  mkdirSync(content);
  await layProgram(content);
  layNode(content);
  layUnits(content);
  const deb = join(out, `nsm_${version}-${values.revision}_${architecture}.deb`);
  writeDeb({
    content,
    debian: join(root, 'deploy/debian'),
    version: `${version}-${values.revision}`,
    file: deb,
  });
  const unpacked = join(folder, 'nsm.tar');
  tar(content, unpacked);
  const tarball = join(out, `nsm-${version}-linux-${process.arch}.tar.gz`);
  writeFileSync(tarball, gzip(unpacked));
  console.log(`${deb}\n${tarball}`);
} finally {
  rmSync(folder, { recursive: true });
}

function layUnits(to) {
  const units = join(root, 'deploy/systemd');
  for (const name of readdirSync(units))
    if (name.endsWith('.service')) copy(join(units, name), join(to, 'usr/lib/systemd/system', name));
  for (const kind of ['sysusers', 'tmpfiles'])
    copy(join(units, `nsm.${kind}.conf`), join(to, `usr/lib/${kind}.d/nsm.conf`));
}
