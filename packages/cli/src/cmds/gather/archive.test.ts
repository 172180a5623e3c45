// tar and gzip read what is written.
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Archive } from './archive.js';

it('an archive holds files of any length, and with names that do not fit in one field', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nsm-archive-'));
  try {
    const files = new Map([
      ['empty', ''],
      ['short', 'ü\n'],
      ['block', 'x'.repeat(512)],
      ['large', 'line of a log\n'.repeat(100_000)],
      [`${'folder'.repeat(15)}/${'name'.repeat(20)}`, 'long'],
    ]);
    const archive = new Archive(createWriteStream(join(dir, 'a.tar.gz')), 'top', new Date(0));
    for (const [name, text] of files) await archive.add(name, text);
    await archive.end();
    execFileSync('tar', ['-xzf', join(dir, 'a.tar.gz'), '-C', dir]);
    for (const [name, text] of files) expect(readFileSync(join(dir, 'top', name), 'utf8')).toBe(text);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('a full disk is told of as such', async () => {
  const archive = new Archive(createWriteStream('/dev/full'), 'top', new Date(0));
  await expect(archive.add('name', 'text').then(() => archive.end())).rejects.toThrow('ENOSPC');
});
