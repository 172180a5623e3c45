// The durable file: what it keeps, and what it does with damage and a full disk.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RecordStore } from './record-store.js';

describe('RecordStore', () => {
  let folder: string;
  let path: string;
  const errors: string[] = [];
  const logger = { info() {}, warn() {}, error: (_: object, message: string) => void errors.push(message) };
  const opened: RecordStore[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-store-'));
    path = join(folder, 'registry.mdb');
    errors.length = 0;
  });
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
    rmSync(folder, { recursive: true });
  });

  function open(freeBytes?: () => Promise<number>): [RecordStore, Record<string, string>] {
    const store = new RecordStore(path, { logger, ...(freeBytes && { freeBytes }) });
    const entries = store.open();
    opened.push(store);
    return [
      store,
      Object.fromEntries([...entries].map(([key, value]) => [key, Buffer.from(value).toString()])),
    ];
  }
  async function fill(records: number): Promise<void> {
    const [store] = open();
    await store.write(
      Array.from({ length: records }, (_, n) => [`k${n}`, Buffer.from(`value ${n}`)] as const),
    );
    await store.close();
  }

  it('keeps the latest of each key', async () => {
    const [store] = open();
    await Promise.all([
      store.write([
        ['a', Buffer.from('1')],
        ['b', Buffer.from('1')],
      ]),
      store.write([['a', Buffer.from('2')]]),
      store.write([['b', undefined]]),
      store.write([['a', Buffer.from('3')]]),
    ]);
    expect(store.isWritten('a')).toBe(true);
    await store.close();
    expect(open()[1]).toEqual({ a: '3' });
  });

  it('finishes what is under way when it is closed', async () => {
    const [store] = open();
    const write = store.write([['a', Buffer.from('1')]]);
    expect(store.isWritten('a')).toBe(false);
    await store.close();
    await write;
    expect(open()[1]).toEqual({ a: '1' });
    await expect(store.write([['b', Buffer.from('1')]])).rejects.toMatchObject({ kind: 'registry' });
  });

  /** Every page but the two that are looked at first is overwritten, but for what says which page it is. */
  function damagePages(): void {
    const bytes = readFileSync(path);
    for (let page = 2 * 4096; page < bytes.length; page += 4096) bytes.fill(0xa5, page + 16, page + 4096);
    writeFileSync(path, bytes);
  }

  it.each([
    ['cut short', () => truncateSync(path, readFileSync(path).length - 4096)],
    ['cut to almost nothing', () => truncateSync(path, 100)],
    ['garbage', () => writeFileSync(path, Buffer.alloc(20_000, 'garbage'))],
    ['damaged inside', () => damagePages()],
  ])('moves a file aside that is %s, and starts empty', async (_, damage) => {
    await fill(500);
    damage();
    const [store, entries] = open();
    expect(entries).toEqual({});
    expect(errors).toEqual(['the registry file is damaged: moved aside, starting empty']);
    expect(readdirSync(folder).filter((each) => each.includes('damaged'))).toHaveLength(1);
    await store.write([['a', Buffer.from('1')]]);
    await store.close();
    expect(open()[1]).toEqual({ a: '1' });
  });

  it.each([
    ['cannot begin', 'process.exit(1)'],
    ['is stopped together with this one', "process.on('exit', () => process.kill(process.pid, 'SIGTERM'))"],
  ])('keeps the file when the process that is to read it %s', async (_, code) => {
    await fill(3);
    rmSync(`${path}.closed`);
    const preload = join(folder, 'preload.cjs');
    writeFileSync(preload, code);
    const before = process.env.NODE_OPTIONS;
    process.env.NODE_OPTIONS = `--require=${preload}`;
    try {
      expect(open()[1]).toEqual({ k0: 'value 0', k1: 'value 1', k2: 'value 2' });
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
    }
    expect(errors).toEqual([]);
  });

  const unreadable: [string, (path: string) => void][] = [
    ['a FIFO', (path) => execFileSync('mkfifo', [path])],
    ['a folder', (path) => mkdirSync(join(path, 'folder'), { recursive: true })],
    ['a link to a device', (path) => symlinkSync('/dev/zero', path)],
    ['a file too large to be read', (path) => execFileSync('truncate', ['-s', '3G', path])],
  ];
  it.each(
    unreadable.flatMap(([what, make]) => ['', '-lock', '.closed'].map((name) => [name, what, make] as const)),
  )('moves aside what is in the place of registry.mdb%s: %s', async (name, _, make) => {
    await fill(10);
    rmSync(`${path}${name}`, { force: true });
    make(`${path}${name}`);
    const [store, entries] = open();
    expect(Object.keys(entries)).toHaveLength(name === '' ? 0 : 10);
    expect(errors).toEqual([expect.stringContaining('moved aside')]);
    expect(readdirSync(folder).filter((each) => each.includes(`${name}.damaged-`))).toHaveLength(1);
    await store.write([['a', Buffer.from('1')]]);
    await store.close();
    expect(open()[1]).toMatchObject({ a: '1' });
  });

  it('takes an empty file for a new one', () => {
    writeFileSync(path, '');
    expect(open()[1]).toEqual({});
    expect(errors).toEqual([]);
  });

  it('says what is wrong with a folder that cannot be', () => {
    writeFileSync(path, '');
    const store = new RecordStore(join(path, 'registry.mdb'));
    expect(() => store.open()).toThrow(/^cannot open .*: .*; the state directory must be writable$/);
  });

  it('refuses to write to a full disk, and writes later what it owed', async () => {
    let free = 0;
    const [store] = open(async () => free);
    const refused = {
      kind: 'registry',
      message: expect.stringContaining('the disk is full: 0 bytes are left'),
    };
    await expect(store.write([['a', Buffer.from('1')]])).rejects.toMatchObject(refused);
    await expect(store.write([['a', Buffer.from('2')]])).rejects.toMatchObject(refused);
    expect(store.isWritten('a')).toBe(false);
    expect(errors).toEqual([expect.stringContaining('the disk does not take')]);
    free = 1e9;
    await store.write([['b', Buffer.from('1')]]);
    expect(store.isWritten('a')).toBe(true);
    await store.close();
    expect(open()[1]).toEqual({ a: '2', b: '1' });
  });
});
