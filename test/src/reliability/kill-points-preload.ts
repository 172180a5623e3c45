// Loaded before a process under test, in each of its threads: it is given marked sources in place of those on the disk, what is
// marked calls this, and where one is armed the process kills itself.
import fs, { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isMainThread, threadId } from 'node:worker_threads';
import type { MarkedSources } from './kill-points.js';

const dir = process.env.KILL_POINTS ?? '';
if (isMainThread) {
  const [, , program = '', ...args] = process.argv;
  // A node's run directory is in the folder of its name. Threads have other arguments, and the same environment.
  const node = basename(dirname(args[args.indexOf('--run-dir') + 1] ?? ''));
  process.env.KILL_POINTS_VICTIM = `${program}-${node}`;
}

if (dir !== '') {
  const armed = join(dir, `armed-${process.env.KILL_POINTS_VICTIM}`);
  const reached = join(dir, `reached-${process.env.KILL_POINTS_VICTIM}`);
  const seen = new Set<string>();
  let turn = 0;
  let turning = false;
  const killPoint = <T>(point: string, moment: string, value: T): T => {
    const place = `${point} ${moment}`;
    if (!turning)
      setImmediate(() => {
        turn++;
        turning = false;
      });
    turning = true;
    // Begun anew: the file is taken away between two walks.
    if (seen.size > 0 && !existsSync(reached)) seen.clear();
    if (!seen.has(place)) appendFileSync(reached, `${place} ${process.pid}/${threadId}/${turn}\n`);
    seen.add(place);
    if (read(armed) === place) {
      rmSync(armed);
      process.kill(process.pid, 'SIGKILL');
    }
    return value;
  };
  Object.assign(globalThis, { killPoint });
  const sources: MarkedSources = JSON.parse(read(join(dir, 'sources.json')));
  // The bundle is read by packages/cli/bin/load.js.
  const markedOrRead = (file: string, options: BufferEncoding): string | Buffer =>
    sources[file] ?? readFileSync(file, options);
  Object.assign(fs, { readFileSync: markedOrRead });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
