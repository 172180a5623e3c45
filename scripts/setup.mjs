// Makes a clone ready to run: npm packages, compiled files, Debian packages. Quick when there is nothing to do.
// Used by start.mjs and test.mjs, and by itself: node scripts/setup.mjs [start|test|bench|image]. Everything is said on stderr.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianPackages } from './debian-packages.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const oldestNode = [20, 19];

/** Ends the process when something is missing without which nothing works. */
export async function setup(purpose) {
  checkNode();
  installNpmPackages();
  removeOrphans();
  await compile();
  installDebianPackages(purpose);
}

const say = (text) => process.stderr.write(`${text}\n`);

function fail(text) {
  say(text);
  process.exit(1);
}

function run(command, args, options = {}) {
  // stdout belongs to the program that follows.
  return spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor] = oldestNode;
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor))
    fail(
      `Node.js ${oldestNode.join('.')} or later is needed; this is ${process.versions.node} (${process.execPath})`,
    );
}

function installNpmPackages() {
  const installed = timeOf(join(root, 'node_modules/.package-lock.json'));
  if (installed >= timeOf(join(root, 'package-lock.json'))) return;
  say(installed ? 'package-lock.json has changed: npm ci' : 'installing npm packages: npm ci');
  // Development packages too, whatever NODE_ENV says: the compiler is one. What npm's cache has is not asked for again: the lock file has
  // its checksum, and a slow or absent network is not waited for.
  const options = ['--include=dev', '--loglevel=error', '--prefer-offline'];
  const strict = run('npm', ['ci', ...options], { stdio: ['ignore', 2, 'pipe'], encoding: 'utf8' });
  if (strict.error) fail(`cannot run npm: ${strict.error.message}`);
  if (strict.status === 0) return;
  process.stderr.write(strict.stderr.split('\n').slice(0, 10).join('\n'));
  // npm ci wants every optional package of every platform described; what is described has fixed versions either way.
  if (!strict.stderr.includes('EUSAGE')) fail('\nnpm ci failed; see above');
  say('\nnpm ci refuses package-lock.json; npm install --no-save takes what it has');
  if (run('npm', ['install', '--no-save', ...options]).status !== 0) fail('npm install failed; see above');
}

async function compile() {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  if (!existsSync(compiler))
    fail('node_modules has no TypeScript compiler; remove node_modules and run this again');
  // Several checkers for each project do a part of their work twice, and the compiler's collector of garbage as much as the compiler, unless
  // memory may wait to be collected.
  const options = { env: { GOGC: '400', ...process.env } };
  const { status } = run(process.execPath, [compiler, '-b', '--checkers', '1'], options);
  if (status !== 0) fail('the TypeScript sources do not compile; see above');
  const { bundle } = await import('./bundle.mjs');
  await bundle();
}

/** Compiled files whose source is gone would still be run, tests among them. */
function removeOrphans() {
  const folders = existsSync(join(root, 'packages'))
    ? readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)
    : [];
  for (const folder of [...folders, 'test', 'bench']) {
    const dist = join(root, folder, 'dist');
    if (!existsSync(dist)) continue;
    for (const file of readdirSync(dist, { recursive: true })) {
      // Only what the compiler makes has a declaration beside it; other files in dist are none of our business.
      if (!file.endsWith('.d.ts')) continue;
      const name = file.slice(0, -'.d.ts'.length);
      if (['.ts', '.tsx'].some((extension) => existsSync(join(root, folder, 'src', name + extension))))
        continue;
      for (const extension of ['.d.ts', '.js', '.js.map', '.d.ts.map'])
        rmSync(join(dist, name + extension), { force: true });
    }
  }
}

function installDebianPackages(purpose) {
  const missing = debianPackages.filter(
    ({ purposes, present }) => purposes.includes(purpose) && !present(findCommand),
  );
  if (missing.length === 0) return;
  for (const { name, why } of missing) say(`missing: Debian package ${name} (${why})`);
  const names = missing.map(({ name }) => name);
  const command = `apt-get install ${names.join(' ')}`;
  if (!findCommand('apt-get'))
    return say('there is no apt-get here: install these by the means of your distribution');
  if (process.getuid?.() !== 0) return say(`not root, so not installed; run: sudo ${command}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, stdio: ['ignore', 'ignore', 2] };
  if (!hasPackageLists()) {
    say('apt-get update');
    run('apt-get', ['update', '-q'], options);
  }
  const install = (...wanted) => {
    say(`apt-get install ${wanted.join(' ')}`);
    const flags = ['install', '-y', '-q', '--no-install-recommends'];
    return run('apt-get', [...flags, ...wanted], options).status === 0;
  };
  if (install(...names)) return;
  // A package that this distribution does not have must not keep the others away.
  const failed = names.length > 1 ? names.filter((name) => !install(name)) : names;
  if (failed.length > 0) say(`not installed: ${failed.join(', ')}; what needs them will fail or be skipped`);
}

function hasPackageLists() {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
  } catch {
    return false;
  }
}

/** Path of a command, also in the folders that an ordinary user's PATH leaves out. */
export function findCommand(name) {
  for (const folder of [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not here.
    }
  }
  return undefined;
}

function timeOf(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1])
  await setup(process.argv[2] ?? 'start');
