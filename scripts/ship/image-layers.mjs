// What is in the image, without regard to how an image is written down: the folders of its layers, and its configuration.
// deploy/Dockerfile makes the same image of the same folders; a test compares the two configurations.
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackagesOf, librariesOf, library, program } from './libraries.mjs';
import { copy, layNode, layProgram, machineCode, write } from './program.mjs';

/** Of the image, in the words of the OCI image specification. A manager and its forwarder are run as root by their manifest. */
export const configuration = {
  User: '65532:65532',
  Env: ['PATH=/usr/bin:/usr/sbin'],
  Entrypoint: ['/usr/bin/nsm'],
  WorkingDir: '/',
  Labels: {
    'org.opencontainers.image.title': 'nsm',
    'org.opencontainers.image.description': 'Network Service Mesh',
    'org.opencontainers.image.licenses': 'Apache-2.0',
  },
};

/** Run or loaded by name: the NAT of gateways, and the loader of eBPF programs. */
const programs = ['nft'];
const libraries = ['libbpf.so.1'];

/**
 * Lays out the layers below `folder`: `system` (Node.js, and the libraries and programs of this machine, which is seldom another one) and
 * `program`. Returns what they are made of.
 */
export async function layOut(folder) {
  const layers = { system: join(folder, 'system'), program: join(folder, 'program') };
  const npmPackages = await layProgram(layers.program);
  layBase(layers.system);
  layNode(layers.system);
  const loaded = [...programs.map(program), ...libraries.map(library)];
  const files = [...loaded, ...librariesOf([process.execPath, machineCode, ...loaded])];
  for (const file of files) copy(file, join(layers.system, file), 0o755);
  return { layers, npmPackages, debianPackages: debianPackagesOf(files) };
}

/** Folders and files that programs expect anywhere. There is no shell. */
function layBase(folder) {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(folder, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(folder, name));
  }
  for (const name of ['dev', 'etc', 'proc', 'run/nsm', 'sys', 'tmp', 'var/lib/nsm'])
    mkdirSync(join(folder, name), { recursive: true });
  chmodSync(join(folder, 'tmp'), 0o1777);
  write(
    join(folder, 'etc/passwd'),
    'root:x:0:0:root:/root:/sbin/nologin\nnsm:x:65532:65532:nsm:/:/sbin/nologin\n',
  );
  write(join(folder, 'etc/group'), 'root:x:0:\nnsm:x:65532:\n');
  write(join(folder, 'etc/nsswitch.conf'), 'hosts: files dns\n');
}
