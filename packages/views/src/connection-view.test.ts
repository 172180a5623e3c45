// What is shown of a connection that is not there yet, or whose pod's process has ended.
import { readlinkSync, statSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { admin } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { connectionView } from './connection-view.js';

describe('connectionView', () => {
  const { ino: inode } = statSync('/proc/self/ns/net');
  const shown = (path: string, name = 'nsm%d') =>
    connectionView(
      create(admin.ConnectionSchema, { crossConnect: { client: { name, namespace: { inode, path } } } }),
    ).client;

  it('has no interface name until the kernel has given one', () => {
    expect(shown('').interfaceName).toBe('');
    expect(shown('', 'nsm3').interfaceName).toBe('nsm3');
  });

  it('names a network namespace by a path only while that leads to it', () => {
    const inodeText = readlinkSync('/proc/self/ns/net');
    expect(shown('/proc/self/ns/net').namespace).toBe('/proc/self/ns/net');
    for (const path of ['', '/proc/4194305/ns/net', '/proc/self/ns/mnt'])
      expect(shown(path).namespace).toBe(inodeText);
  });

  it('says in which state a connection is, in words for operators', () => {
    const state = (text: string): string =>
      connectionView(create(admin.ConnectionSchema, { state: text })).state;
    expect(['UP', 'HEALING', 'FAILED', 'CLOSING'].map(state)).toEqual([
      'SYNCED',
      'HEALING',
      'FAILED',
      'CLOSING',
    ]);
    const { history } = connectionView(
      create(admin.ConnectionSchema, { history: [{ state: 'UP' }, { state: 'HEALING', detail: 'gone' }] }),
    );
    expect(history.map(({ state: word, detail }) => `${word} ${detail}`)).toEqual([
      'SYNCED ',
      'HEALING gone',
    ]);
  });
});
