// The durable file of a manager: what it keeps, and what it does with damage, a full disk, and a machine that restarted.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema } from '@nsm/api';
import { requireRoot } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from './connection.js';
import { Store, type StoreOptions } from './store.js';

const run = (command: string, args: string[]): void => void execFileSync(command, args);
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
  const recordFiles = (): string[] =>
    readdirSync(join(folder, 'connections')).map((name) => join(folder, 'connections', name));
  const endpoint = create(NetworkServiceEndpointSchema, { nseProviderName: 'one' });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-store-'));
    told.length = 0;
  });
  afterEach(async () => {
    await close();
    rmSync(folder, { recursive: true });
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
    for (const file of recordFiles()) truncateSync(file, 5);
    expect(open({ bootId: 'second' }).connections()).toEqual([]);
    expect(told).toEqual(['the machine was restarted: starting without connections']);
  });

  it('loses one record, whichever byte of it is damaged or missing, and says so', async () => {
    const store = open();
    for (const id of ['a', 'b', 'c']) await store.putConnection(connection(id));
    await close();
    const [file = ''] = recordFiles();
    const whole = readFileSync(file);
    for (let at = 0; at < whole.length; at++) {
      for (const damaged of [whole.subarray(0, at), flipped(whole, at)]) {
        writeFileSync(file, damaged);
        expect(open().connections()).toHaveLength(2);
        expect(told.splice(0)).toEqual(['a record is damaged: going on without it']);
      }
    }
    const next = open();
    await next.putConnection(connection('d'));
    expect(next.connections()).toHaveLength(3);
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
    expect(readdirSync(join(folder, 'connections'))).toEqual([]);
  });

  it.runIf(requireRoot('full and read-only disks'))(
    'lives with a disk that is full, then read-only',
    async () => {
      run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'nsm-store', folder]);
      try {
        const store = open();
        await store.putConnection(connection('a'));
        writeFileSync(join(folder, 'ballast'), Buffer.alloc(40_000));
        const fill = async (): Promise<void> => {
          for (let n = 0; n < 64; n++) await store.putConnection(connection(`full-${n}`));
        };
        await expect(fill()).rejects.toMatchObject({
          kind: 'internal',
          message: expect.stringMatching(/cannot write to .*ENOSPC/),
        });
        await store.removeConnection('a');
        expect(told).toEqual([]);
        run('mount', ['-o', 'remount,ro', folder]);
        await store.removeConnection('full-0');
        await expect(store.putConnection(connection('b'))).rejects.toThrow(/EROFS/);
        expect(told).toEqual(['not removed from the disk yet']);
        run('mount', ['-o', 'remount,rw', folder]);
        await store.putConnection(connection('b'));
        const ids = store.connections().map(({ id }) => id);
        expect(ids).toContain('b');
        expect(ids).not.toContain('full-0');
      } finally {
        await close();
        run('umount', [folder]);
      }
    },
  );

  it('says what is wrong with a folder that cannot be', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => new Store(join(folder, 'file'))).toThrow(/cannot open the store in .*; check --state-dir/);
  });
});
