// Helm as a function, where it is installed.
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { image } from './config.js';
import { clone, system } from './installation.js';

const execute = promisify(execFile);
export const chart: string = join(clone, 'deploy/helm/nsm');

/** False, with a line that says so, where there is no helm. */
export function requireHelm(suite: string): boolean {
  if (spawnSync('helm', ['version'], { stdio: 'ignore' }).status === 0) return true;
  process.stderr.write(`not run: ${suite}: there is no helm in PATH\n`);
  return false;
}

/** What `helm ARGS` prints. Rejects with what helm says on stderr. */
export async function helm(...args: readonly string[]): Promise<string> {
  const { stdout } = await execute('helm', ['--namespace', system.name, ...args], { maxBuffer: 16 << 20 });
  return stdout;
}

/** `--set` for an image. Default: the one that is tested. */
export function imageValues(of: string = image): readonly string[] {
  const colon = of.lastIndexOf(':');
  return ['--set', `image.repository=${of.slice(0, colon)}`, '--set', `image.tag=${of.slice(colon + 1)}`];
}
