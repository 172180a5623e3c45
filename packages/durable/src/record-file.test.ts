// The file of records: what it keeps, and what it does with damage, a full disk, and later versions.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endBytes, framesIn } from './frames.js';
import { type Codec, RecordFile } from './record-file.js';

const text = (schema: number): Codec<string> => ({
  schema,
  encode: (record) => Buffer.from(record),
  decode: (bytes, written) => `${Buffer.from(bytes)}${written < schema ? ` of ${written}` : ''}`,
});
const run = (command: string, ...args: string[]): void => void execFileSync(command, args);
/** A socket that nobody serves any more. */
const bindSocket = (path: string): void =>
  void spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`,
  ]);

describe('RecordFile', () => {
  let folder: string;
  let path: string;
  const told: string[] = [];
  const note = (_: object, message: string): void => void told.push(message);
  const logger = { info: note, warn: note, error: note };
  const opened: RecordFile<string>[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-records-'));
    path = join(folder, 'records');
    told.length = 0;
  });
  const closeAll = async (): Promise<void> => {
    for (const file of opened.splice(0)) await file.close();
  };
  afterEach(async () => {
    await closeAll();
    rmSync(folder, { recursive: true });
  });

  function open(schema = 1): RecordFile<string> {
    const file = new RecordFile(path, text(schema), { logger, outlivesMachine: true });
    opened.push(file);
    return file;
  }
  const contents = (file: RecordFile<string>): Record<string, string> => Object.fromEntries(file.entries());
  async function reopened(): Promise<Record<string, string>> {
    await closeAll();
    return contents(open());
  }
  async function fill(...keys: string[]): Promise<void> {
    const file = open();
    for (const key of keys) await file.write([[key, `value of ${key} `.repeat(9)]]);
    await closeAll();
  }
  /** Without the room for ends. */
  const written = (): Buffer => {
    const bytes = readFileSync(path);
    return bytes.subarray(0, framesIn(bytes).end);
  };

  it('keeps the latest of each key, in the order of the writes', async () => {
    const file = open();
    await Promise.all([
      file.write([
        ['a', '1'],
        ['b', '1'],
      ]),
      file.write([['a', '2']]),
      file.write([['b', undefined]]),
      file.write([['never', undefined]]),
      file.write([
        ['a', undefined],
        ['c', '1'],
        ['a', '3'],
      ]),
    ]);
    expect(contents(file)).toEqual({ a: '3', c: '1' });
    expect(await reopened()).toEqual({ a: '3', c: '1' });
    expect(told).toEqual([]);
  });

  it('finishes what is under way when it is closed, and takes nothing later', async () => {
    const file = open();
    const write = file.write([['a', '1']]);
    await file.close();
    await write;
    await expect(file.write([['b', '1']])).rejects.toMatchObject({
      kind: 'stopping',
      message: `${path} is closed: nothing is written any more`,
      stack: expect.stringContaining('record-file.test'),
    });
    expect(await reopened()).toEqual({ a: '1' });
  });

  it('reads what earlier versions wrote', async () => {
    await fill('a');
    const file = open(2);
    await file.write([['b', 'new']]);
    await closeAll();
    expect(contents(open(2))).toEqual({ a: `${'value of a '.repeat(9)} of 1`, b: 'new' });
  });

  it('refuses what a later version wrote, and leaves it as it is', async () => {
    await open(7).write([['a', '1']]);
    await closeAll();
    writeFileSync(`${path}.new`, 'x');
    const before = [readFileSync(path), statSync(path).mtimeMs, readdirSync(folder)];
    expect(() => open(6)).toThrow(
      expect.objectContaining({
        code: 'NSM0105',
        message: `${path} was written by a later version (schema 7; this one knows 6): start that version, or choose another --state-dir`,
      }),
    );
    expect([readFileSync(path), statSync(path).mtimeMs, readdirSync(folder)]).toEqual(before);
  });

  it('loses one record, whichever byte of it is damaged, and says so', async () => {
    await fill('a', 'b', 'c');
    const whole = written();
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at]! ^= 0x55;
      writeFileSync(path, flipped);
      const file = open();
      const left = ['a', 'b', 'c'].toSpliced(Math.floor((at * 3) / whole.length), 1);
      expect(Object.keys(contents(file)), `byte ${at}`).toEqual(left);
      expect(file.doubtful).toBe(true);
      expect(told.splice(0)).toEqual(['the file is damaged: going on with what is whole']);
      await closeAll();
    }
  });

  it('has what is whole of a file that was cut off anywhere, and goes on with it', async () => {
    await fill('a', 'b', 'c');
    const whole = written();
    const size = whole.length / 3;
    for (let length = 0; length < whole.length; length += 3) {
      writeFileSync(path, whole.subarray(0, length));
      const cut = open();
      const left = ['a', 'b', 'c'].slice(0, Math.floor(length / size));
      expect(Object.keys(contents(cut)), `${length} bytes`).toEqual(left);
      expect(cut.doubtful).toBe(length % size > 0);
      await cut.write([['d', '1']]);
      told.length = 0;
      expect(Object.keys(await reopened()), `${length} bytes and a record`).toEqual([...left, 'd']);
      // What was damaged has been left behind.
      expect(told).toEqual([]);
      await closeAll();
    }
  });

  it('tells of a garbage tail once, also when nothing is written to it', async () => {
    await fill('a');
    appendFileSync(path, 'garbage');
    expect(Object.keys(contents(open()))).toEqual(['a']);
    expect(told).toHaveLength(1);
    told.length = 0;
    await closeAll();
    expect(Object.keys(contents(open()))).toEqual(['a']);
    expect(told).toEqual([]);
  });

  it('leaves behind what is damaged where nothing is whole', async () => {
    for (const garbage of [
      Buffer.alloc(20_000, 'garbage'),
      Buffer.alloc(2_000_000, 'NSM2'),
      Buffer.from('N'),
    ]) {
      writeFileSync(path, garbage);
      const file = open();
      expect(contents(file)).toEqual({});
      expect(file.doubtful).toBe(true);
      await file.write([['a', '1']]);
      told.length = 0;
      expect(await reopened()).toEqual({ a: '1' });
      expect(told).toEqual([]);
      await closeAll();
    }
  });

  it('takes an empty file for a new one', () => {
    writeFileSync(path, '');
    const file = open();
    expect(contents(file)).toEqual({});
    expect(file.doubtful).toBe(false);
    expect(told).toEqual([]);
  });

  it.each<[string, (path: string) => void]>([
    ['a FIFO', (path) => run('mkfifo', path)],
    ['a folder', (path) => mkdirSync(join(path, 'folder'), { recursive: true })],
    ['a link to a device', (path) => symlinkSync('/dev/zero', path)],
    ['a socket', bindSocket],
    ['a file too large to be read', (path) => run('truncate', '-s', '3G', path)],
  ])('goes on without a file in whose place is %s', async (_, make) => {
    make(path);
    make(`${path}.new`);
    const file = open();
    expect(file.doubtful).toBe(true);
    expect(told).toEqual([expect.stringContaining('moved aside')]);
    expect(readdirSync(folder).filter((name) => name.includes('.damaged-'))).toHaveLength(1);
    await file.write([['a', '1']]);
    expect(await reopened()).toEqual({ a: '1' });
    expect(opened[0]?.doubtful).toBe(false);
  });

  it('does not grow for ever, and keeps what is not written again', async () => {
    const file = open();
    const large = (n: number): string => `${n}`.padEnd(50_000);
    for (let n = 0; n < 30; n++) await file.write([[`kept-${n}`, `${n}`.repeat(100)]]);
    await file.write([['b', '1']]);
    for (let n = 0; n < 100; n++) await file.write([['a', large(n)]]);
    await Promise.all(Array.from({ length: 100 }, (_, n) => file.write([['a', large(n)]])));
    await file.write([['b', undefined]]);
    await file.write([['c', '1']]);
    expect(statSync(path).size).toBeLessThan(2_000_000);
    expect(existsSync(`${path}.new`)).toBe(false);
    const before = contents(file);
    expect(before).toMatchObject({ a: large(99), c: '1', 'kept-29': '29'.repeat(100) });
    expect(before).not.toHaveProperty('b');
    expect(await reopened()).toEqual(before);
    expect(told).toEqual([]);
  });

  it('says what is wrong with a folder that cannot be', () => {
    writeFileSync(join(folder, 'file'), '');
    path = join(folder, 'file', 'records');
    expect(() => open()).toThrow(/^cannot open .*ENOTDIR.*; check --state-dir$/);
  });

  it('takes back a write that was cut short', async () => {
    await fill('a');
    const file = open();
    await file.write([['b', '1']]);
    // Node.js ignores SIGXFSZ: a write stops at the limit, in the middle (setrlimit(2)).
    const limit = (bytes: string): void => run('prlimit', '--pid', String(process.pid), `--fsize=${bytes}:`);
    limit(String(written().length + 500));
    try {
      const cut = file.write([['c', 'x'.repeat(2000)]]);
      await expect(cut).rejects.toMatchObject({ message: expect.stringMatching(/cannot write to .*EFBIG/) });
    } finally {
      limit('unlimited');
    }
    await file.write([['d', '1']]);
    expect(Object.keys(await reopened())).toEqual(['a', 'b', 'd']);
    expect(opened[0]?.doubtful).toBe(false);
  });

  describe.runIf(requireRoot('disks that take nothing'))('on a disk that takes nothing', () => {
    beforeEach(() => run('mount', '-t', 'tmpfs', '-o', 'size=500k,nr_inodes=8', 'nsm-records', folder));
    afterEach(async () => {
      await closeAll();
      run('umount', folder);
    });

    it('refuses new records, and ends all that there are', async () => {
      const file = open();
      await file.write([['a', '1']]);
      const fillUp = async (): Promise<void> => {
        for (let n = 0; n < 1000; n++) await file.write([[`full-${n}`, 'x'.repeat(1000)]]);
      };
      await expect(fillUp()).rejects.toMatchObject({
        code: 'NSM0403',
        message: expect.stringMatching(/cannot write to .*ENOSPC.*; free space on the disk of --state-dir/),
      });
      writeFileSync(join(folder, 'ballast'), '');
      try {
        for (;;) writeFileSync(join(folder, 'ballast'), Buffer.alloc(4096), { flag: 'a' });
      } catch {
        // Now nothing is left for others either.
      }
      const keys = Object.keys(contents(file));
      expect(keys.length).toBeGreaterThan(200);
      const [first, ...others] = keys as [string, ...string[]];
      // Others on this disk have what was tried.
      const ends = keys.reduce((sum, key) => sum + endBytes(key), 0);
      const { size } = statSync(path);
      expect(size).toBe(written().length + ends);
      // What comes with a record that is refused is not held up by it.
      const together = await Promise.allSettled([
        file.write([['b', 'x'.repeat(100_000)]]),
        file.write([['unknown', undefined]]),
        file.write([[first, undefined]]),
      ]);
      expect(together.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
      expect(Object.keys(contents(file))).toEqual(others);
      expect(statSync(path).size).toBe(size);
      for (const key of others) await file.write([[key, undefined]]);
      expect(await reopened()).toEqual({});
      rmSync(join(folder, 'ballast'));
      await opened[0]?.write([['b', '1']]);
      expect(await reopened()).toEqual({ b: '1' });
      expect(told).toEqual([expect.stringContaining('the disk does not take')]);
    });

    it('goes on with a torn file where there is no room for a second one', async () => {
      await fill('a', 'b');
      const whole = written();
      writeFileSync(path, Buffer.concat([whole.subarray(0, whole.length - 3), Buffer.alloc(50, 'torn')]));
      const fillUp = (): void => {
        for (let n = 0; n < 8; n++) mkdirSync(join(folder, `${n}`));
      };
      expect(fillUp).toThrow(/ENOSPC/);
      const file = open();
      expect(file.doubtful).toBe(true);
      await file.write([['c', '1']]);
      expect(Object.keys(await reopened())).toEqual(['a', 'c']);
      expect(opened[0]?.doubtful).toBe(false);
    });
  });
});
