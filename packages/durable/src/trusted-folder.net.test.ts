// Which folders others could tamper with; other users are stood in for by chown, which needs root.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { whyUntrusted } from './trusted-folder.js';

const stranger = 61_001;

describe.skipIf(!requireRoot('trusted folders'))('whyUntrusted', () => {
  let above: string;
  let folder: string;
  beforeEach(() => {
    above = mkdtempSync(join(tmpdir(), 'nsm-trust-'));
    folder = join(above, 'folder');
    mkdirSync(folder, { mode: 0o700 });
  });
  afterEach(() => rmSync(above, { recursive: true }));

  it('has nothing against a folder of this user, or one that is still to be made', () => {
    expect(whyUntrusted(folder, { closed: true })).toBe('');
    expect(whyUntrusted(join(folder, 'a/b'))).toBe('');
  });

  it.each<[what: string, change: () => void, why: RegExp]>([
    ['belongs to another', () => chownSync(folder, stranger, 0), /^belongs to user 61001$/],
    ['can be written to by all', () => chmodSync(folder, 0o777), /^can be written to by others$/],
    ['is shared as /tmp is', () => chmodSync(folder, 0o1777), /^can be written to by others$/],
    [
      'can be written to by a group',
      () => {
        chownSync(folder, 0, stranger);
        chmodSync(folder, 0o770);
      },
      /^can be written to by others$/,
    ],
    [
      'is in a folder of another',
      () => chownSync(above, stranger, 0),
      /^is in .*, which belongs to user 61001$/,
    ],
    ['is in a folder of all', () => chmodSync(above, 0o777), /^is in .*, which can be written to by others$/],
  ])('refuses one that %s', (_, change, why) => {
    change();
    expect(whyUntrusted(folder)).toMatch(why);
  });

  it('looks at links as they are named and where they lead', () => {
    const link = join(above, 'link');
    symlinkSync(folder, link);
    expect(whyUntrusted(link)).toBe('');
    chownSync(folder, stranger, 0);
    expect(whyUntrusted(join(link, 'more'))).toMatch(/belongs to user 61001/);
    chownSync(folder, 0, 0);
    const theirs = mkdtempSync(join(tmpdir(), 'nsm-trust-'));
    chownSync(theirs, stranger, 0);
    symlinkSync(folder, join(theirs, 'link'));
    expect(whyUntrusted(join(theirs, 'link'))).toMatch(/belongs to user 61001/);
    rmSync(theirs, { recursive: true });
  });

  it('takes a shared folder above, an owner and a group that are named, and can insist on a closed one', () => {
    chmodSync(above, 0o1777);
    chownSync(folder, stranger, stranger);
    chmodSync(folder, 0o775);
    expect(whyUntrusted(folder, { owners: [stranger], groups: [stranger] })).toBe('');
    expect(whyUntrusted(folder, { owners: [stranger], groups: [stranger], closed: true })).toBe(
      'is open to others',
    );
  });
});
