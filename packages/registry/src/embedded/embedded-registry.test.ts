// What the embedded registry makes of its folder: of an earlier version's, a later one's, and a full one.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { registry as wire } from '@nsm/api';
import { RecordFile } from '@nsm/durable';
import { requireRoot } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contents, endpoint, leaseMs, nodeA } from '../compliance/compliance-harness.js';
import { recordCodec, type StoredRecord } from '../records/record-codec.js';
import { EmbeddedRegistry } from './embedded-registry.js';

describe('EmbeddedRegistry', () => {
  let folder: string;
  const opened: EmbeddedRegistry[] = [];
  const open = async (): Promise<EmbeddedRegistry> => {
    const registry = new EmbeddedRegistry({ stateDir: folder });
    opened.push(registry);
    await registry.start();
    return registry;
  };
  const close = async (): Promise<void> => {
    for (const registry of opened.splice(0)) await registry.stop();
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-registry-'));
  });
  afterEach(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });

  it('removes the database of earlier versions, and nothing else', async () => {
    for (const name of ['registry.mdb', 'registry.mdb-lock', 'registry.mdb.closed', 'lock', 'notes'])
      writeFileSync(join(folder, name), 'x');
    mkdirSync(join(folder, 'registry.mdb.checked'));
    await open();
    expect(readdirSync(folder).toSorted()).toEqual(['lock', 'notes', 'registry.records']);
  });

  it('refuses what a later version wrote, and leaves it as it is', async () => {
    const path = join(folder, 'registry.records');
    const later = new RecordFile(path, { ...recordCodec, schema: 2 });
    await later.write([['endpoint/x', { case: 'endpoint', value: endpoint('x') }]]);
    await later.close();
    writeFileSync(join(folder, 'registry.mdb'), '');
    const before = readFileSync(path);
    await expect(open()).rejects.toThrow(/written by a later version \(schema 2; this one knows 1\)/);
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder)).toContain('registry.mdb');
  });

  it('is not written to any more when it has stopped', async () => {
    const registry = await open();
    const write = registry.registerEndpoint(endpoint('a'));
    await close();
    await expect(write).rejects.toMatchObject({ kind: 'stopping' });
    await expect(registry.registerEndpoint(endpoint('b'))).rejects.toMatchObject({ kind: 'stopping' });
  });

  it('holds so much of one manager, what its file has included', async () => {
    const file = new RecordFile(join(folder, 'registry.records'), recordCodec);
    const claim = (name: string): [string, StoredRecord] => [
      `claim/${name}`,
      { case: 'claim', value: create(wire.ClaimRequestSchema, { name, holder: 'greedy' }) },
    ];
    await file.write(Array.from({ length: 4096 }, (_, index) => claim(`x-${index}`)));
    await file.close();
    const registry = await open();
    for (const name of ['greedy', 'other']) await registry.registerManager({ ...nodeA, name }, leaseMs);
    const refused = { kind: 'invalid', message: expect.stringMatching(/holds no more of one manager/) };
    await expect(registry.claim('more', 'greedy')).rejects.toMatchObject(refused);
    expect(await registry.claim('x-7', 'other')).toBe('greedy');
    expect(await registry.claim('more', 'other')).toBe('other');
    await registry.releaseClaim('x-7', 'greedy');
    expect(await registry.claim('again', 'greedy')).toBe('greedy');
    await registry.removeManager('greedy');
    await registry.registerManager({ ...nodeA, name: 'greedy' }, leaseMs);
    expect(await registry.claim('one', 'greedy')).toBe('greedy');
  });

  it.runIf(requireRoot('a full disk'))('has what a full disk refused as soon as there is room', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200k', 'nsm-registry', folder]);
    try {
      const registry = await open();
      await registry.registerManager(nodeA, leaseMs);
      writeFileSync(join(folder, 'ballast'), Buffer.alloc(100_000));
      let added = 0;
      const fill = async (): Promise<void> => {
        for (; added < 1000; added++) await registry.registerEndpoint(endpoint(`fw-${added}`));
      };
      const refused = {
        kind: 'registry',
        message: expect.stringMatching(/ENOSPC.*; free space on the disk/),
      };
      await expect(fill()).rejects.toMatchObject(refused);
      // It is unchanged, and owed.
      await expect(registry.registerEndpoint(endpoint(`fw-${added}`))).rejects.toMatchObject(refused);
      for (let n = 0; n < added; n++) await registry.removeEndpoint(endpoint(`fw-${n}`));
      rmSync(join(folder, 'ballast'));
      await registry.registerEndpoint(endpoint('last'));
      const expected = contents(registry);
      expect(expected).toHaveLength(3);
      await close();
      expect(contents(await open())).toEqual(expected);
    } finally {
      await close();
      execFileSync('umount', [folder]);
    }
  });
});
