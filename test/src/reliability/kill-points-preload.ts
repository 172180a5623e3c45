// Loaded before a manager under test: its marked awaits call this, and where one is armed the process kills itself.
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { register } from 'node:module';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const dir = process.env.KILL_POINTS ?? '';
const manager = process.argv[process.argv.indexOf('--name') + 1] ?? '';

if (isMainThread && dir !== '') {
  const armed = join(dir, `armed-${manager}`);
  const reached = join(dir, `reached-${manager}`);
  const killPoint = <T>(point: string, moment: string, value: T): T => {
    appendFileSync(reached, `${point}\n`);
    if (read(armed) === `${point} ${moment}`) {
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
