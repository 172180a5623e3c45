// The durable file of a manager: what it keeps, and what it does with damage, a full disk, and a machine that restarted.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema } from '@nsm/api';
import { requireRoot } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from './connection.js';
import { Journal } from './journal.js';
import { Store, type StoreOptions } from './store.js';

const run = (command: string, args: string[]): void => void execFileSync(command, args);
/** A socket that nobody serves any more. */
const bindSocket = (path: string): void =>
  void spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`,
  ]);
const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x55;
  return copy;
};

describe('Store', () => {
  let folder: string;
  const told: string[] = [];
  const note = (_: object, message: string): void => void told.push(message);
  const opened: Store[] = [];
  const open = (options: StoreOptions = {}): Store => {
    const logger = { info: note, warn: note, error: note };
    const store = new Store(folder, { logger, bootId: 'first', ...options });
    opened.push(store);
    return store;
  };
  const close = async (): Promise<void> => {
    for (const store of opened.splice(0)) await store.close();
  };
  const connection = (id: string): Connection =>
    ({ id, key: `service/${id}`, filler: 'x'.repeat(200) }) as unknown as Connection;
  const file = (): string => join(folder, 'connections.first');
  const idsOf = (store: Store): string[] => store.connections().map(({ id }) => id);
  const endpoint = create(NetworkServiceEndpointSchema, { nseProviderName: 'one' });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-store-'));
    told.length = 0;
  });
  afterEach(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });

  it('reads what the version before wrote', async () => {
    const states = [
      { kind: 'UP' },
      { kind: 'HEALING', reason: 'gone', attempt: 2 },
      { kind: 'HEALING', reason: 'silent', attempt: 4, kept: true },
      { kind: 'CLOSING', reason: 'closed', tellPeer: true, reconnect: false },
      { kind: 'CLOSING', reason: 'lost', tellPeer: true, reconnect: true, removed: true },
      { kind: 'CLOSING', reason: 'they know', tellPeer: false, reconnect: false },
    ];
    const journal = new Journal<object>(file());
    for (const [index, state] of states.entries())
      await journal.put(String(index), { id: `node:1-${index}`, state });
    await journal.close();
    const intent = { kind: 'connected' };
    expect(open().connections()).toEqual(
      [
        { intent, phase: { kind: 'UP' } },
        { intent, phase: { kind: 'DETACHING', reason: 'gone' } },
        { intent, phase: { kind: 'WAITING', reason: 'silent', attempt: 4 } },
        { intent: { kind: 'closed', reason: 'closed', tell: 'peer' }, phase: { kind: 'UP' } },
        { intent: { kind: 'closed', reason: 'lost', tell: 'reconnect' }, phase: { kind: 'REMOVED' } },
        { intent: { kind: 'closed', reason: 'they know', tell: 'nobody' }, phase: { kind: 'UP' } },
      ].map((lived, index) => ({ id: `node:1-${index}`, ...lived })),
    );
  });

  it('refuses what a later version wrote, and leaves it as it is', async () => {
    const journal = new Journal<object>(file());
    await journal.put('a', { id: 'node:1-a', schema: 3 });
    await journal.close();
    const before = readFileSync(file());
    expect(() => open().connections()).toThrow(/later version \(schema 3; this one knows 2\)/);
    await close();
    expect(readFileSync(file())).toEqual(before);
  });

  it('keeps what it is given', async () => {
    const store = open();
    await Promise.all([
      store.putConnection(connection('a')),
      store.putConnection(connection('b')),
      store.putEndpoint('one', endpoint),
    ]);
    await store.removeConnection('a');
    await close();
    const again = open();
    expect(again.connections()).toEqual([connection('b')]);
    expect(again.endpoints()).toMatchObject([{ nseProviderName: 'one' }]);
    await again.removeEndpoint('one');
    await close();
    expect(open().endpoints()).toEqual([]);
    expect(told).toEqual([]);
  });

  it('is not another manager’s while it has connections', async () => {
    const store = open();
    store.admitManager('node-b');
    await store.putConnection(connection('node-a:0a0b0c0d-1'));
    store.admitManager('node-a');
    expect(() => store.admitManager('node-b')).toThrow(
      expect.objectContaining({
        code: 'NSM0105',
        message: `${folder} has 1 connection of manager "node-a": start it with --name node-a to use or close them, or choose another --state-dir`,
      }),
    );
  });

  it('starts empty when the machine was restarted, without looking at the records', async () => {
    await open().putConnection(connection('a'));
    await close();
    truncateSync(file(), 5);
    expect(open({ bootId: 'second' }).connections()).toEqual([]);
    expect(told).toEqual(['the machine was restarted: starting without connections']);
    expect(readdirSync(folder).toSorted()).toEqual(['connections.second', 'endpoints.second']);
  });

  it('removes what was being written anew, of whichever life, and nothing else', async () => {
    await open().putConnection(connection('a'));
    await close();
    const others = ['connections-of-mine', 'connections.first.damaged-1', 'lock'];
    for (const name of ['connections.first.new', 'endpoints.zeroth.new', ...others])
      writeFileSync(join(folder, name), 'x');
    mkdirSync(join(folder, 'connections.zeroth', 'folder'), { recursive: true });
    expect(idsOf(open())).toEqual(['a']);
    expect(readdirSync(folder).toSorted()).toEqual(
      ['connections.first', 'endpoints.first', ...others].toSorted(),
    );
    expect(told).toEqual(['the machine was restarted: starting without connections']);
  });

  it.each<[string, (path: string) => void]>([
    ['a FIFO', (path) => run('mkfifo', [path])],
    ['a folder', (path) => mkdirSync(join(path, 'folder'), { recursive: true })],
    ['a link to a device', (path) => symlinkSync('/dev/zero', path)],
    ['a socket', (path) => bindSocket(path)],
    ['a file too large to be read', (path) => run('truncate', ['-s', '3G', path])],
  ])('goes on without a file in whose place is %s', async (_, make) => {
    await open().close();
    for (const name of ['connections', 'endpoints']) {
      rmSync(join(folder, `${name}.first`));
      make(join(folder, `${name}.first`));
    }
    const store = open();
    expect(store.doubtful).toBe(true);
    expect(told).toEqual([expect.stringContaining('moved aside'), expect.stringContaining('moved aside')]);
    expect(readdirSync(folder).filter((name) => name.includes('.damaged-'))).toHaveLength(2);
    await store.putConnection(connection('a'));
    await close();
    const again = open();
    expect(idsOf(again)).toEqual(['a']);
    expect(again.doubtful).toBe(false);
  });

  it('loses one record, whichever byte of it is damaged, and says so', async () => {
    const store = open();
    for (const id of ['a', 'b', 'c']) await store.putConnection(connection(id));
    await close();
    const whole = readFileSync(file());
    const size = whole.length / 3;
    for (let at = 0; at < whole.length; at++) {
      writeFileSync(file(), flipped(whole, at));
      const left = ['a', 'b', 'c'].toSpliced(Math.floor(at / size), 1);
      expect(idsOf(open()), `byte ${at}`).toEqual(left);
      expect(told.splice(0)).toEqual(['the file is damaged: going on with what is whole']);
      await close();
    }
  });

  it('has what is whole of a file that was cut off anywhere, and goes on with it', async () => {
    const store = open();
    for (const id of ['a', 'b', 'c']) await store.putConnection(connection(id));
    await close();
    const whole = readFileSync(file());
    const size = whole.length / 3;
    for (let length = 0; length < whole.length; length += 3) {
      writeFileSync(file(), whole.subarray(0, length));
      const cut = open();
      const left = ['a', 'b', 'c'].slice(0, Math.floor(length / size));
      expect(idsOf(cut), `${length} bytes`).toEqual(left);
      expect(cut.doubtful).toBe(length % size > 0);
      await cut.putConnection(connection('d'));
      await close();
      told.length = 0;
      expect(idsOf(open()), `${length} bytes and a record`).toEqual([...left, 'd']);
      // What was damaged has been left behind.
      expect(told).toEqual([]);
      await close();
    }
  });

  it('does not grow for ever', async () => {
    const store = open();
    const large = (n: number): Connection =>
      ({ ...connection('a'), filler: `${n}`.padEnd(50_000) }) as Connection;
    await store.putConnection(connection('b'));
    for (let n = 0; n < 100; n++) await store.putConnection(large(n));
    await Promise.all(Array.from({ length: 100 }, (_, n) => store.putConnection(large(n))));
    await store.putConnection(large(1));
    expect(statSync(file()).size).toBeLessThan(2_000_000);
    await close();
    const again = open();
    expect(idsOf(again).toSorted()).toEqual(['a', 'b']);
    expect(again.connections()).toContainEqual(large(1));
    expect(told).toEqual([]);
  });

  it('writes in order what concerns one record', async () => {
    const store = open();
    const last = { ...connection('a'), generation: 7 };
    await Promise.all([
      store.putConnection(connection('a')),
      store.removeConnection('a'),
      store.putConnection(last),
    ]);
    expect(store.connections()).toEqual([last]);
    store.putConnectionSoon(connection('a'));
    await store.removeConnection('a');
    await close();
    expect(open().connections()).toEqual([]);
  });

  it.runIf(requireRoot('a full disk'))('removes records from a full disk, and refuses new ones', async () => {
    run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'nsm-store', folder]);
    try {
      const store = open();
      await store.putConnection(connection('a'));
      writeFileSync(join(folder, 'ballast'), Buffer.alloc(40_000));
      const fill = async (): Promise<void> => {
        for (let n = 0; n < 200; n++) await store.putConnection(connection(`full-${n}`));
      };
      await expect(fill()).rejects.toMatchObject({
        kind: 'disk',
        message: expect.stringMatching(/cannot write to .*ENOSPC.*; free space on the disk of --state-dir/),
      });
      const before = idsOf(store);
      await Promise.allSettled([
        store.putConnection(connection('b')),
        store.removeConnection('a'),
        store.removeConnection('full-7'),
      ]);
      await close();
      const left = before.filter((id) => id !== 'a' && id !== 'full-7');
      expect(idsOf(open())).toEqual(left);
      rmSync(join(folder, 'ballast'));
      await opened[0]?.putConnection(connection('b'));
      await close();
      expect(idsOf(open())).toEqual([...left, 'b']);
      expect(told).toEqual([expect.stringContaining('the disk does not take')]);
    } finally {
      await close();
      run('umount', [folder]);
    }
  });

  it('says what is wrong with a folder that cannot be', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => new Store(join(folder, 'file'))).toThrow(/cannot open the store in .*; check --state-dir/);
  });
});
