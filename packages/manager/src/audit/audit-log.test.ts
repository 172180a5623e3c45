// The audit log is bounded, closed to others, and waits for nobody.
import { execFileSync } from 'node:child_process';
import {
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@nsm/testkit';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditLog } from './audit-log.js';

const logger = pino({ level: 'silent' });

describe('the audit log', () => {
  let folder: string;
  let path: string;
  let log: AuditLog;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-audit-'));
    path = join(folder, 'audit.log');
  });
  afterEach(async () => {
    await log.stop();
    rmSync(folder, { recursive: true });
  });

  const open = async (maxBytes?: number): Promise<void> => {
    log = new AuditLog(path, { logger, ...(maxBytes ? { maxBytes } : {}) });
    await log.start();
  };
  const lines = (file = path): unknown[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown);

  it('is for its owner alone, and goes on where it was', async () => {
    writeFileSync(path, '{"old":true}\n', { mode: 0o644 });
    await open();
    log.write({ event: 'a\n\u001b[31m' });
    await log.stop();
    expect(lines()).toEqual([{ old: true }, { event: 'a\n\u001b[31m' }]);
    expect(readFileSync(path, 'utf8')).not.toContain('\u001b');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('keeps four former files, and no more', async () => {
    await open(200);
    for (let index = 0; index < 40; index++) {
      log.write({ index, padding: 'x'.repeat(100) });
      await waitFor(() => readFileSync(path, 'utf8').includes(`"index":${index},`));
    }
    expect(readdirSync(folder).toSorted()).toEqual([
      'audit.log',
      ...[1, 2, 3, 4].map((n) => `audit.log.${n}`),
    ]);
    expect(lines()).toEqual([expect.objectContaining({ index: 39 })]);
    expect(lines(`${path}.4`)).toEqual([expect.objectContaining({ index: 35 })]);
    expect(log.lost).toBe(0);
  });

  it('counts what a pipe that nobody reads does not take, and tells of it', async () => {
    execFileSync('mkfifo', [path]);
    await open();
    const long = 'x'.repeat(10_000);
    for (let index = 0; index < 500; index++) log.write({ index, long });
    expect(log.lost).toBeGreaterThan(0);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    let text = '';
    const buffer = Buffer.alloc(1 << 20);
    const told = (): boolean => {
      try {
        text += buffer.toString('utf8', 0, readSync(reader, buffer));
      } catch {
        // Nothing is there yet.
      }
      return text.includes('"outcome":"lost"');
    };
    await waitFor(told, { interval: 5, timeout: 10_000 });
    expect(text).toContain(`"lines":${log.lost}`);
    expect(text.split('\n').filter((line) => line.includes('"index":0,'))).toHaveLength(1);
  });

  it('cuts a line that strangers made long', async () => {
    await open();
    log.write({ event: 'request', outcome: 'denied', who: 'x'.repeat(100_000) });
    await log.stop();
    expect(lines()).toEqual([
      expect.objectContaining({ event: 'request', outcome: 'denied', shortened: expect.any(String) }),
    ]);
    expect(statSync(path).size).toBeLessThan(20_000);
  });

  it('follows no link, and a start without it is none', async () => {
    symlinkSync(join(folder, 'elsewhere'), path);
    await expect(open()).rejects.toMatchObject({ kind: 'invalid' });
    expect(readdirSync(folder)).toEqual(['audit.log']);
  });
});
