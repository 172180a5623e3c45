// Memory that a burst of work needed is given back: a process of its own, whose heap is the test's alone.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const module = JSON.stringify(new URL('./idle-memory.js', import.meta.url).href);

/** Works, is idle for longer than V8 looks back, and prints the young generation's bytes after the work and after a look. */
const program = `
  import { IdleMemory, youngBytes } from ${module};
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const memory = new IdleMemory();
  const made = new Map();
  for (let n = 0; n < 400_000; n++) made.set(n % 60_000, { n, text: 'x' + n });
  memory.look();
  await pause(1);
  const atWork = youngBytes();
  await pause(6_000);
  memory.look();
  await pause(1_000);
  console.log(JSON.stringify([atWork, youngBytes(), made.size]));`;

it('an idle process gives back what its young generation has grown by, and one at work does not', async () => {
  const args = ['--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const [atWork = 0, idle = 0] = JSON.parse(stdout) as number[];
  expect(atWork).toBeGreaterThan(12 << 20);
  expect(idle).toBeLessThan(6 << 20);
});
