// Loaded before a process under test, in each of its threads: what is marked calls this, and where one is armed the process kills
// itself.
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { register } from 'node:module';
import { basename, dirname, join } from 'node:path';

const dir = process.env.KILL_POINTS ?? '';
const [, , program = '', ...args] = process.argv;
// A node's run directory is in the folder of its name.
const node = basename(dirname(args[args.indexOf('--run-dir') + 1] ?? ''));

if (dir !== '') {
  const armed = join(dir, `armed-${program}-${node}`);
  const reached = join(dir, `reached-${program}-${node}`);
  const killPoint = <T>(point: string, moment: string, value: T): T => {
    const place = `${point} ${moment}`;
    appendFileSync(reached, `${place}\n`);
    if (read(armed) === place) {
      rmSync(armed);
      process.kill(process.pid, 'SIGKILL');
    }
    return value;
  };
  Object.assign(globalThis, { killPoint });
  register('./kill-points-loader.js', import.meta.url, { data: { sources: join(dir, 'sources.json') } });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
