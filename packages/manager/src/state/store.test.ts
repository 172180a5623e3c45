// The durable file of a manager: what it keeps, and what it does with damage, a full disk, and a machine that restarted.
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema } from '@nsm/api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from './connection.js';
import { Store, type StoreOptions } from './store.js';

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

  it('starts empty when the machine was restarted, without looking at the file', async () => {
    await open().putConnection(connection('a'));
    await close();
    const path = join(folder, 'manager.mdb');
    truncateSync(path, readFileSync(path).length - 4096);
    expect(open({ bootId: 'second' }).connections()).toEqual([]);
    expect(told).toEqual(['the machine was restarted: starting without connections']);
    expect(readdirSync(folder).filter((file) => file.includes('damaged'))).toEqual([]);
  });

  it.each([
    ['cut short', (path: string) => truncateSync(path, readFileSync(path).length - 4096)],
    ['garbage', (path: string) => writeFileSync(path, Buffer.alloc(20_000, 'garbage'))],
    ['what ended the process last time', (path: string) => writeFileSync(`${path}.opening`, '')],
  ])('moves a file aside that is %s', async (_, damage) => {
    const store = open();
    for (let n = 0; n < 100; n++) await store.putConnection(connection(String(n)));
    await close();
    damage(join(folder, 'manager.mdb'));
    const next = open();
    expect(next.connections()).toEqual([]);
    expect(told).toEqual(['the file of connections and endpoints is damaged: moved aside, starting empty']);
    expect(readdirSync(folder).filter((file) => file.includes('damaged'))).toHaveLength(1);
    await next.putConnection(connection('a'));
    await close();
    expect(open().connections()).toHaveLength(1);
  });

  it('refuses to write to a full disk, and removes later what it owed', async () => {
    let free = 1e9;
    const store = open({ freeBytes: () => free });
    await store.putConnection(connection('a'));
    free = 0;
    await expect(store.putConnection(connection('b'))).rejects.toThrow(/the disk is full: 0 bytes are left/);
    await store.removeConnection('a');
    expect(told).toEqual(['not removed from the disk yet']);
    free = 1e9;
    await store.putConnection(connection('c'));
    await close();
    expect(open().connections()).toEqual([connection('c')]);
  });

  it('says what is wrong with a folder that cannot be', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => new Store(join(folder, 'file'))).toThrow(/cannot open the store .*; check --state-dir/);
  });
});
