// Compiles the eBPF programs of the forwarder; the object is committed beside its source, so that only who changes it
// needs a compiler. node scripts/compile-bpf.mjs [OUTPUT]; exit status 2: the compiler is missing or another version.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Another version gives other instructions, as good, but not the same bytes. */
const version = 14;

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'packages/forwarder/bpf');
const source = 'tunnel.bpf.c';
const output = process.argv[2] ?? join(folder, 'tunnel.bpf.o');

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

for (const [command, args] of [
  // Relative names only: the folder must not show in the object.
  [
    compiler,
    [
      '-target',
      'bpf',
      '-O2',
      '-g',
      '-Wall',
      '-Werror',
      '-fdebug-compilation-dir=.',
      '-c',
      source,
      '-o',
      output,
    ],
  ],
  // The maps are described in BTF, which stays.
  [strip, ['-g', output]],
]) {
  const { status, stderr, error } = run(command, args);
  if (status !== 0) fail(1, `${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}
