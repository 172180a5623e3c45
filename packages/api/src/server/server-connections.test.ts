// How quickly hosts and managers may call.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Caller } from '../tls/caller.js';
import { ServerConnections } from './server-connections.js';

class FakeSocket extends EventEmitter {
  readonly destroy = vi.fn();
}

describe('calls', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const told: string[] = [];
  const none = { ofOne: 0, ofAll: 0 };
  const bounds = { streams: none, callBytes: none };
  const connections = new ServerConnections(({ message }) => told.push(message), bounds);
  const open = (caller: Caller) => {
    const socket = new FakeSocket();
    const token = connections.add(socket as unknown as Socket, caller) ?? '';
    return { socket, admit: () => connections.admit(token) };
  };
  const manager = (name: string): Caller => ({
    remoteAddress: '10.0.0.1',
    identity: { domain: 'nsm', kind: 'manager', name },
  });

  it('of one manager are a thousand a second, over however many connections; others are heard', () => {
    const [first, second, other] = [open(manager('a')), open(manager('a')), open(manager('b'))];
    for (let call = 0; call < 512; call++) for (const one of [first, second]) one.admit();
    expect(() => second.admit()).toThrow(/manager a of trust domain nsm calls more often/);
    expect(second.socket.destroy).toHaveBeenCalled();
    expect(first.socket.destroy).not.toHaveBeenCalled();
    other.admit();
    vi.advanceTimersByTime(10);
    for (let call = 0; call < 10; call++) first.admit();
    expect(() => first.admit()).toThrow(/calls more often than 1000 times a second/);
    expect(told).toEqual([expect.stringContaining('manager a')]);
  });

  it('of a host without a certificate are as many, and of a pod more', () => {
    const host = open({ remoteAddress: '10.0.0.7' });
    for (let call = 0; call < 1024; call++) host.admit();
    expect(() => host.admit()).toThrow(/host 10.0.0.7 calls more often/);
    const pod = open({ peer: { pid: 1, uid: 5, gid: 5, namespace: { inode: 7, cookie: 7n } } });
    for (let call = 0; call < 8192; call++) pod.admit();
    expect(() => pod.admit()).toThrow(/network namespace 7 calls more often than 2000 times a second/);
    expect(pod.socket.destroy).toHaveBeenCalled();
  });
});
