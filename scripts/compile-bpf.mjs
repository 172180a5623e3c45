// Compiles the eBPF programs of the forwarder; the objects are committed beside their sources, so that only who changes them
// needs a compiler. node scripts/compile-bpf.mjs [FOLDER]; exit status 2: the compiler is missing or another version.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Another version gives other instructions, as good, but not the same bytes. */
const version = 14;

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'packages/forwarder/bpf');
const outputs = process.argv[2] ?? folder;

const run = (command, args) => spawnSync(command, args, { cwd: folder, encoding: 'utf8' });
const fail = (status, text) => {
  process.stderr.write(`${text}\n`);
  process.exit(status);
};

const [compiler, strip] = ['clang', 'llvm-strip'].map((name) =>
  [`${name}-${version}`, name].find((command) =>
    new RegExp(`(clang|LLVM) version ${version}\\.`).test(run(command, ['--version']).stdout ?? ''),
  ),
);
if (!compiler || !strip)
  fail(
    2,
    `clang ${version} and llvm-strip ${version} are needed (Debian: clang-${version}, llvm-${version})`,
  );

for (const name of ['tunnel', 'source']) {
  const output = join(outputs, `${name}.bpf.o`);
  // Relative names only: the folder must not show in the object.
  const options = ['-target', 'bpf', '-O2', '-g', '-Wall', '-Werror', '-fdebug-compilation-dir=.'];
  for (const [command, args] of [
    [compiler, [...options, '-c', `${name}.bpf.c`, '-o', output]],
    // The maps are described in BTF, which stays.
    [strip, ['-g', output]],
  ]) {
    const { status, stderr, error } = run(command, args);
    if (status !== 0) fail(1, `${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  }
}
