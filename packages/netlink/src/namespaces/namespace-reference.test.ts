// Which references to network namespaces are accepted.
import { describe, expect, it } from 'vitest';
import { NamespaceError } from './namespace-error.js';
import { parseNamespaceReference } from './namespace-reference.js';
import { createNamespace, deleteNamespace, namespaceOfProcess, openNamespace } from './namespaces.js';

const codeOf = (fn: () => unknown): string => {
  try {
    fn();
  } catch (error) {
    if (error instanceof NamespaceError) return error.code;
    throw error;
  }
  return 'none';
};

describe('namespace references', () => {
  it.each([
    ['4026532208', { kind: 'inode', inode: 4026532208 }],
    ['net:[4026532208]', { kind: 'inode', inode: 4026532208 }],
    ['/proc/1/ns/net', { kind: 'process', pid: 1, path: '/proc/1/ns/net' }],
    ['/proc/self/ns/net', { kind: 'process', pid: 'self', path: '/proc/self/ns/net' }],
    ['blue', { kind: 'name', name: 'blue', path: '/run/netns/blue' }],
    ['/run/netns/blue', { kind: 'name', name: 'blue', path: '/run/netns/blue' }],
    ['/var/run/netns/blue', { kind: 'name', name: 'blue', path: '/run/netns/blue' }],
    ['/run/netns/42', { kind: 'name', name: '42', path: '/run/netns/42' }],
    ['cni-5d0c1f2e-aaaa', { kind: 'name', name: 'cni-5d0c1f2e-aaaa', path: '/run/netns/cni-5d0c1f2e-aaaa' }],
    ['prod net', { kind: 'name', name: 'prod net', path: '/run/netns/prod net' }],
  ])('accepts %j', (reference, expected) => {
    expect(parseNamespaceReference(reference)).toEqual(expected);
  });

  it.each([
    '',
    '0',
    '4294967296',
    '99999999999',
    'net:[0]',
    'net:[12',
    'mnt:[4026531840]x/',
    '.',
    '..',
    '../etc',
    '.hidden',
    '/',
    '/etc/passwd',
    '/run/netns/',
    '/run/netns/..',
    '/run/netns/../../etc/passwd',
    '/run/netns/a/b',
    '/run//netns/a',
    '/proc/1/ns/mnt',
    '/proc/1/ns/net/',
    '/proc/01/ns/net',
    '/proc/0/ns/net',
    '/proc/-1/ns/net',
    '/proc/1/../2/ns/net',
    '/proc/1/task/1/ns/net',
    '/proc/thread-self/ns/net',
    'a\0b',
    'a\nb',
    'a\u007fb',
    'x'.repeat(256),
    'ä'.repeat(128),
  ])('refuses %j', (reference) => {
    expect(codeOf(() => parseNamespaceReference(reference))).toBe('invalid');
    expect(codeOf(() => openNamespace(reference))).toBe('invalid');
  });

  it('refuses such names when making and removing too', () => {
    for (const name of ['', '..', 'a/b', '.x', 'a\0', 'x'.repeat(256)]) {
      expect(codeOf(() => createNamespace(name))).toBe('invalid');
      expect(codeOf(() => deleteNamespace(name))).toBe('invalid');
    }
  });

  it('says not-found for what is not there', () => {
    expect(codeOf(() => openNamespace('nsm-no-such-namespace'))).toBe('not-found');
    expect(codeOf(() => openNamespace('1'))).toBe('not-found');
    expect(codeOf(() => openNamespace('/proc/4194304/ns/net'))).toBe('not-found');
    expect(codeOf(() => openNamespace({ pid: 4194304 }))).toBe('not-found');
    expect(codeOf(() => openNamespace({ inode: 1, hint: '/proc/self/ns/net' }))).toBe('not-found');
    expect(codeOf(() => deleteNamespace('nsm-no-such-namespace'))).toMatch(/not-found|denied/);
    expect(codeOf(() => namespaceOfProcess(4194304))).toBe('not-found');
    expect(codeOf(() => namespaceOfProcess(-1))).toBe('not-found');
  });

  it('opens the process’s own namespace by each of its forms', () => {
    using own = openNamespace('/proc/self/ns/net');
    expect(own.inode).toBe(namespaceOfProcess(process.pid));
    for (const reference of [String(own.inode), `net:[${own.inode}]`]) {
      using again = openNamespace(reference);
      expect(again.inode).toBe(own.inode);
    }
    using byPid = openNamespace({ pid: process.pid });
    using byHint = openNamespace({ inode: own.inode, hint: `/proc/${process.pid}/ns/net` });
    expect([byPid.inode, byHint.inode]).toEqual([own.inode, own.inode]);
  });
});
