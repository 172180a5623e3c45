// npm run image: the OCI image of the nsm command, without Docker, and beside it what it is made of. Arguments:
//   --name REPOSITORY:TAG   by which it is loaded; localhost/nsm:dev by default
//   --out FILE              dist/nsm-image.tar by default
//   --folders FOLDER        only the folders of its layers, which deploy/Dockerfile copies
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './setup.mjs';
import { billOfMaterials } from './ship/bill-of-materials.mjs';
import { configuration, layOut } from './ship/image-layers.mjs';
import { writeImage } from './ship/oci-image.mjs';

// The modes of folders are the same for everybody.
process.umask(0o022);
const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'localhost/nsm:dev' },
    out: { type: 'string', default: join(root, 'dist/nsm-image.tar') },
    folders: { type: 'string' },
  },
});
const { version } = JSON.parse(readFileSync(join(root, 'packages/cli/package.json'), 'utf8'));

if (values.folders !== undefined) await layOut(resolve(values.folders));
else await makeImage(values.name, resolve(values.out));

async function makeImage(name, file) {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-image-'));
  try {
    const { layers, npmPackages, debianPackages } = await layOut(folder);
    mkdirSync(dirname(file), { recursive: true });
    const labels = { ...configuration.Labels, 'org.opencontainers.image.version': version };
    const { digest, size, compressed } = writeImage({
      name,
      layers: [layers.system, layers.program],
      configuration: { ...configuration, Labels: labels },
      file,
    });
    const bill = billOfMaterials({ name: 'nsm', version, npmPackages, debianPackages });
    writeFileSync(file.replace(/(\.tar)?$/, '.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);
    console.log(`${file}: ${name}, ${megabytes(size)}, compressed ${megabytes(compressed)}, ${digest}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
