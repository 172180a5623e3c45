// The durable file of a manager: what it keeps, and what it does with damage, a full disk, and a machine that restarted.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import {
  ConnectionParametersSchema,
  forwarder as fw,
  InterfaceSchema,
  InterfaceType,
  LabelSchema,
  NetworkServiceEndpointSchema,
  NsmError,
  SubjectSchema,
} from '@nsm/api';
import { RecordFile } from '@nsm/durable';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from './connection.js';
import { connectionCodec } from './connection-codec.js';
import type { Noted } from './connection-histories.js';
import type { KeptRefusal } from './kept-refusal.js';
import { Store, type StoreOptions } from './store.js';

/** A record of a journal, as the versions before protobuf wrote it. */
function journalFrame(key: string, record: object, removed = false): Buffer {
  const body = serialize([key, record]);
  const header = Buffer.alloc(16);
  header.write('NSM1');
  header.writeUInt32LE(removed ? 0 : 0x4556_494c, 4);
  header.writeUInt32LE(body.length, 8);
  header.writeUInt32LE(crc32(body, body.length), 12);
  return Buffer.concat([header, body]);
}

/** A journal as version 0.1.0 wrote it: of the endpoint `one` of `echo`, and of one that had gone. */
const journalOfEndpoints = Buffer.from(
  [
    'TlNNMUxJVkXWAAAA4BcSb/8PQQIiEGVjaG8vZGVmYXVsdC9vbmVvIgkkdHlwZU5hbWUiHm5ldG1lc2guTmV0d29ya1NlcnZpY2VF',
    'bmRwb2ludCISbmV0d29ya1NlcnZpY2VOYW1lIgRlY2hvIhJuZXR3b3JrU2VydmljZUhvc3QiACIPbnNlUHJvdmlkZXJOYW1lIgNv',
    'bmUiFG5zZVByb3ZpZGVyTmFtZXNwYWNlIgAiDnNvY2tldExvY2F0aW9uIgAiCWludGVyZmFjZUEAJAAAIghwcmVmaXhlc0EAJAAA',
    'ewgkAAJOU00xAAAAAMcAAAB0L5u3/w9BAiIEZ29uZW8iCSR0eXBlTmFtZSIebmV0bWVzaC5OZXR3b3JrU2VydmljZUVuZHBvaW50',
    'IhJuZXR3b3JrU2VydmljZU5hbWUiACISbmV0d29ya1NlcnZpY2VIb3N0IgAiD25zZVByb3ZpZGVyTmFtZSIEZ29uZSIUbnNlUHJv',
    'dmlkZXJOYW1lc3BhY2UiACIOc29ja2V0TG9jYXRpb24iACIJaW50ZXJmYWNlQQAkAAAiCHByZWZpeGVzQQAkAAB7CCQAAg==',
  ].join(''),
  'base64',
);

describe('Store', () => {
  let folder: string;
  const told: string[] = [];
  const note = (_: object, message: string): void => void told.push(message);
  const opened: Store[] = [];
  const open = async (options: StoreOptions = {}): Promise<Store> => {
    const logger = { info: note, warn: note, error: note };
    const store = await Store.open(folder, { logger, bootId: 'first', ...options });
    opened.push(store);
    return store;
  };
  const close = async (): Promise<void> => {
    for (const store of opened.splice(0)) await store.close();
  };
  const connection = (id: string): Connection => ({
    id,
    key: `service/${id}`,
    role: 'LOCAL',
    requestId: id,
    service: 'service',
    fingerprint: 'x'.repeat(200),
    generation: 1,
    endpoint: { name: 'one', namespace: 'default' },
    interface: create(InterfaceSchema, { type: InterfaceType.KERNEL_INTERFACE }),
    clientParameters: create(ConnectionParametersSchema),
    endpointParameters: create(ConnectionParametersSchema),
    crossConnect: create(fw.CrossConnectSchema, { id }),
    pairs: [],
    intent: { kind: 'connected' },
    phase: { kind: 'UP' },
    since: 1,
  });
  const filesOf = (life: string): string[] =>
    ['connections', 'endpoints', 'histories', 'refusals'].map((kind) => `${kind}.${life}.records`);
  const file = (): string => join(folder, 'connections.first.records');
  const idsOf = (store: Store): string[] => store.connections().map(({ id }) => id);
  const endpoint = create(NetworkServiceEndpointSchema, {
    networkServiceName: 'echo',
    nseProviderName: 'one',
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-store-'));
    told.length = 0;
  });
  afterEach(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });

  it('keeps what operators ask for later: refusals, and the past of connections that are there', async () => {
    const past = {
      since: 1000,
      heals: 2,
      isHealing: false,
      states: [{ time: 1000, state: 'UP', detail: '' }],
    };
    const refusal: KeptRefusal = {
      pod: { inode: 7, cookie: 9n },
      requestId: 'pod-1',
      networkServiceName: 'vpn',
      at: 1234,
      interface: [create(InterfaceSchema, { type: InterfaceType.KERNEL_INTERFACE })],
      labels: create(LabelSchema, { selector: { tier: 'gold' } }),
      client: create(SubjectSchema, { uid: 61001 }),
      error: new NsmError('no-matching-endpoint', 'none fits'),
    };
    const before = await open();
    await before.putConnection(connection('here'));
    for (const id of ['here', 'gone']) before.histories.put(id, past as Noted);
    before.refusals.put('7 vpn', refusal);
    before.refusals.put('8 vpn', refusal);
    before.refusals.put('8 vpn', undefined);
    await close();
    const after = await open();
    expect([...after.histories.entries()]).toEqual([['here', past]]);
    expect([...after.refusals.entries()]).toEqual([['7 vpn', refusal]]);
  });

  it('takes over the journals of earlier versions', async () => {
    const states = [
      { kind: 'UP' },
      { kind: 'HEALING', reason: 'gone', attempt: 2 },
      { kind: 'HEALING', reason: 'silent', attempt: 4, kept: true },
      { kind: 'CLOSING', reason: 'closed', tellPeer: true, reconnect: false },
      { kind: 'CLOSING', reason: 'lost', tellPeer: true, reconnect: true, removed: true },
      { kind: 'CLOSING', reason: 'they know', tellPeer: false, reconnect: false },
    ];
    const { intent: _, phase: __, ...rest } = connection('a');
    const schema1 = states.map((state, n) => ({ ...rest, id: `node:1-${n}`, state }));
    const schema2 = { ...connection('node:1-6'), schema: 2 };
    writeFileSync(
      join(folder, 'connections.first'),
      Buffer.concat([
        journalFrame('node:1-0', { id: 'an older one' }),
        ...schema1.map((one) => journalFrame(one.id, one)),
        journalFrame('removed', schema2, true),
        journalFrame(schema2.id, schema2),
      ]),
    );
    writeFileSync(join(folder, 'endpoints.first'), journalOfEndpoints);
    const intent = { kind: 'connected' };
    const expected = [
      { intent, phase: { kind: 'UP' } },
      { intent, phase: { kind: 'DETACHING', reason: 'gone' } },
      { intent, phase: { kind: 'WAITING', reason: 'silent', attempt: 4 } },
      { intent: { kind: 'closed', reason: 'closed', tell: 'peer' }, phase: { kind: 'UP' } },
      { intent: { kind: 'closed', reason: 'lost', tell: 'reconnect' }, phase: { kind: 'REMOVED' } },
      { intent: { kind: 'closed', reason: 'they know', tell: 'nobody' }, phase: { kind: 'UP' } },
    ].map((lived, n) => ({ ...rest, id: `node:1-${n}`, ...lived }));
    for (const _ of ['taken over', 'found again']) {
      const store = await open();
      expect(store.connections()).toEqual([...expected, connection('node:1-6')]);
      expect(store.endpoints()).toEqual([endpoint]);
      expect(store.doubtful).toBe(false);
      expect(readdirSync(folder).toSorted()).toEqual(filesOf('first'));
      await close();
    }
    expect(told).toEqual([]);
  });

  it('takes over what is whole of a damaged journal, and leaves one that it does not know', async () => {
    const journal = join(folder, 'connections.first');
    const frames = ['a', 'b'].map((id) => journalFrame(id, { ...connection(id), schema: 2 }));
    writeFileSync(journal, Buffer.concat([Buffer.from('NSM1 and something else'), ...frames]));
    const store = await open();
    expect(idsOf(store)).toEqual(['a', 'b']);
    expect(store.doubtful).toBe(true);
    expect(told).toEqual(['the file is damaged: going on with what is whole']);
    await close();
    const unknown = journalFrame('c', { ...connection('c'), schema: 9 });
    writeFileSync(journal, unknown);
    await expect(open()).rejects.toMatchObject({ code: 'NSM0105' });
    expect(readFileSync(journal)).toEqual(unknown);
  });

  it('refuses what a later version wrote, and leaves it as it is', async () => {
    const later = new RecordFile(file(), { ...connectionCodec, schema: 4 });
    await later.write([['a', connection('a')]]);
    await later.close();
    writeFileSync(join(folder, 'connections.zeroth.records'), '');
    const before = readFileSync(file());
    await expect(open()).rejects.toThrow(
      /later version \(schema 4; this one knows 3\): start that version, or/,
    );
    expect(readFileSync(file())).toEqual(before);
    expect(readdirSync(folder)).toContain('connections.zeroth.records');
  });

  it('keeps what it is given', async () => {
    const store = await open();
    await Promise.all([
      store.putConnection(connection('a')),
      store.putConnection(connection('b')),
      store.putEndpoint('one', endpoint),
    ]);
    await store.removeConnection('a');
    await close();
    const again = await open();
    expect(again.connections()).toEqual([connection('b')]);
    expect(again.endpoints()).toMatchObject([{ nseProviderName: 'one' }]);
    await again.removeEndpoint('one');
    await close();
    expect((await open()).endpoints()).toEqual([]);
    expect(told).toEqual([]);
  });

  it('is not another manager’s while it has connections', async () => {
    const store = await open();
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
    await (await open()).putConnection(connection('a'));
    await close();
    truncateSync(file(), 5);
    expect((await open({ bootId: 'second' })).connections()).toEqual([]);
    expect(told).toEqual(['the machine was restarted: starting without connections']);
    expect(readdirSync(folder).toSorted()).toEqual(filesOf('second'));
  });

  it('removes what former lives left, and what was being written anew, and nothing else', async () => {
    await (await open()).putConnection(connection('a'));
    await close();
    const others = ['connections-of-mine', 'connections.first.records.damaged-1', 'lock'];
    const former = ['connections.first.records.new', 'endpoints.zeroth.records.new', 'endpoints.zeroth'];
    for (const name of [...former, ...others]) writeFileSync(join(folder, name), 'x');
    mkdirSync(join(folder, 'connections.zeroth.records', 'folder'), { recursive: true });
    expect(idsOf(await open())).toEqual(['a']);
    expect(readdirSync(folder).toSorted()).toEqual([...filesOf('first'), ...others].toSorted());
    expect(told).toEqual(['the machine was restarted: starting without connections']);
  });

  it('doubts its connections when their file was damaged', async () => {
    const store = await open();
    for (const id of ['a', 'b']) await store.putConnection(connection(id));
    await close();
    writeFileSync(file(), readFileSync(file()).fill('x', 10, 20));
    const damaged = await open();
    expect(idsOf(damaged)).toEqual(['b']);
    expect(damaged.doubtful).toBe(true);
    expect(told).toEqual(['the file is damaged: going on with what is whole']);
  });

  it('writes in order what concerns one record', async () => {
    const store = await open();
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
    expect((await open()).connections()).toEqual([]);
  });

  it('has nothing left to write when it is closed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const store = await open();
    store.putConnectionSoon(connection('a'));
    const closed = close();
    store.putConnectionSoon(connection('b'));
    await store.removeConnection('a');
    await closed;
    await expect(store.putConnection(connection('c'))).rejects.toMatchObject({ kind: 'stopping' });
    await vi.advanceTimersByTimeAsync(1000);
    vi.useRealTimers();
    expect(idsOf(await open())).toEqual(['a']);
    expect(told).toEqual([]);
  });

  it('says what is wrong with a folder that cannot be', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(Store.open(join(folder, 'file'))).rejects.toThrow(/^cannot open .*; check --state-dir$/);
  });
});
