// Logs that go to files, pipes and full disks: complete and in order where they can be, and never in the way.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
/** A program that has a `log`, and a `burst` of numbered lines of 100 bytes. */
const program = (rest: string): string[] => [
  '--input-type=module',
  '-e',
  `import { LogStream } from ${JSON.stringify(new URL('./log-stream.js', import.meta.url).href)};
   import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
   const log = new LogStream(1, { program: 'test' });
   let n = 0;
   const burst = (lines) => {
     for (let end = n + lines; n < end; n++) log.write(JSON.stringify({ n }).padEnd(99) + '\\n');
   };
   const tell = (word) => process.stderr.write(word + '\\n');
   ${rest}`,
];
const read = (text: string): { n?: number; dropped?: number }[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

describe('LogStream', () => {
  let folder: string;
  const open: number[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-log-'));
  });
  afterEach(() => {
    for (const fd of open.splice(0)) closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  const openFile = (path: string, flags: string | number): number => {
    const fd = openSync(path, flags);
    open.push(fd);
    return fd;
  };
  /** Nobody reads `reading` until `readAll` does. Two descriptions: a child is given its own as one that blocks. */
  const fifo = (): { reading: number; writing: number } => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    const reading = openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { reading, writing: openFile(path, 'r+') };
  };
  const readAll = (fd: number): string => {
    const buffer = Buffer.alloc(1 << 20);
    let text = '';
    try {
      for (;;) text += buffer.toString('latin1', 0, readSync(fd, buffer));
    } catch (error) {
      expect(error).toMatchObject({ code: 'EAGAIN' });
    }
    return text;
  };
  /** Runs to its end. */
  const run = async (rest: string, stdout: number): Promise<{ status: number; told: string }> => {
    const child = spawn(process.execPath, program(rest), { stdio: ['ignore', stdout, 'pipe'] });
    let told = '';
    child.stderr?.on('data', (data) => {
      told += data;
    });
    const [status] = await once(child, 'close');
    return { status, told };
  };

  const inTurns = 'for (let i = 0; i < 50; i++) { burst(100); await turn(); } burst(100);';
  it.each([
    ['ends on its own', inTurns],
    ['is ended', `${inTurns} process.exit(0);`],
    ['is ended at once', 'burst(5100); process.exit(0);'],
  ])('writes all lines to a file, in order, when the process %s', async (_, rest) => {
    const path = join(folder, 'log');
    expect(await run(rest, openFile(path, 'a'))).toEqual({ status: 0, told: '' });
    expect(read(readFileSync(path, 'latin1')).map(({ n }) => n)).toEqual(numbers(5_100));
  });

  it('writes all lines to a pipe, in order, however late its reader is', () => {
    const script = '"$0" "$@" | (sleep 0.3; exec cat)';
    const late = `${inTurns} await pause(1_000); burst(100);`;
    const text = execFileSync('sh', ['-c', script, process.execPath, ...program(late)], {
      encoding: 'latin1',
    });
    expect(read(text).map(({ n }) => n)).toEqual(numbers(5_200));
  });

  it('leaves a full disk alone, and the process goes on and ends', async () => {
    const rest = "burst(10); await pause(50); burst(10); await pause(50); tell('going on');";
    const full = (): number => openFile('/dev/full', 'w');
    expect(await run(rest, full())).toEqual({ status: 0, told: 'going on\n' });
    expect(await run(`${rest} process.exit(7);`, full())).toEqual({ status: 7, told: 'going on\n' });
  });

  it('drops what nobody reads, and says how much it was when somebody does', async () => {
    const { reading, writing } = fifo();
    const grown = `
      process.stdin.resume();
      const before = process.memoryUsage().rss;
      for (let i = 0; i < 1_000; i++) { burst(1_000); await turn(); }
      tell(String(process.memoryUsage().rss - before));
      process.stdin.once('end', () => { burst(1); process.exit(0); });`;
    const child = spawn(process.execPath, program(grown), { stdio: ['pipe', writing, 'pipe'] });
    const [told] = await once(child.stderr as NodeJS.ReadableStream, 'data');
    // 100 MB were logged.
    expect(Number(told)).toBeLessThan(60e6);
    let text = '';
    await waitFor(
      () => {
        text += readAll(reading);
        return text.includes('dropped') && text.endsWith('\n');
      },
      { timeout: 20_000 },
    );
    child.stdin?.end();
    expect(await once(child, 'close')).toEqual([0, null]);
    const lines = read(text + readAll(reading));
    const { dropped = 0, ...loss } = lines.at(-2) ?? {};
    expect(loss).toEqual({
      level: 40,
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      program: 'test',
      msg: expect.stringContaining('lost'),
    });
    expect(lines.slice(0, -2).map(({ n }) => n)).toEqual(numbers(1_000_000 - dropped));
    expect(lines.at(-1)).toEqual({ n: 1_000_000 });
  });

  it('lets a process end whose log nobody reads', async () => {
    const { reading, writing } = fifo();
    const rest = 'burst(20_000); await turn();';
    expect(await run(rest, writing)).toEqual({ status: 0, told: '' });
    readAll(reading);
    expect(await run(`${rest} process.exit(7);`, writing)).toEqual({ status: 7, told: '' });
  });

  it('goes on without a reader that has gone', () => {
    const script = '"$0" "$@" | head -n 1 >/dev/null';
    const rest = `
      for (let i = 0; i < 30; i++) { burst(1_000); await pause(10); }
      process.exit(7);`;
    execFileSync('bash', [
      '-c',
      `${script}; [ "\${PIPESTATUS[0]}" = 7 ]`,
      process.execPath,
      ...program(rest),
    ]);
  });
});
