// A pod that sends without end is left alone for a while, with all its connections.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Floods } from './floods.js';

class Sending extends EventEmitter {
  bytesRead = 0;
  destroy(): void {
    this.emit('close');
  }
}

const mib = 2 ** 20;

describe('what pods send', () => {
  let floods: Floods;
  const flooded: string[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    floods = new Floods();
    flooded.length = 0;
  });
  afterEach(() => vi.useRealTimers());

  const open = (name: string, pod: string): Sending => {
    const socket = new Sending();
    floods.watch(socket as unknown as Socket, pod, () => flooded.push(name));
    return socket;
  };

  it('may be much, in its time', () => {
    const socket = open('one', 'pod 1');
    for (let look = 0; look < 10; look++) {
      socket.bytesRead += 32 * mib;
      vi.advanceTimersByTime(500);
    }
    expect(flooded).toEqual([]);
    expect(() => floods.admit('pod 1')).not.toThrow();
  });

  it('is too much of all connections of a pod together; others go on', () => {
    const [one, two, other] = [open('one', 'pod 1'), open('two', 'pod 1'), open('other', 'pod 2')];
    for (const socket of [one, two, other]) socket.bytesRead += 70 * mib;
    vi.advanceTimersByTime(500);
    expect(flooded).toEqual(['one', 'two']);
    expect(() => floods.admit('pod 1')).toThrow(/sent 128 MiB more than the 64 MiB a second.*10 s/);
    expect(() => floods.admit('pod 2')).not.toThrow();
    vi.advanceTimersByTime(10_000);
    expect(() => floods.admit('pod 1')).not.toThrow();
  });

  it('is too much when it goes on and on', () => {
    const socket = open('one', 'pod 1');
    for (let look = 0; look < 3; look++) {
      socket.bytesRead += 60 * mib;
      vi.advanceTimersByTime(500);
    }
    expect(flooded).toEqual([]);
    socket.bytesRead += 60 * mib;
    vi.advanceTimersByTime(500);
    expect(flooded).toEqual(['one']);
  });

  it('counts also of connections that have ended', () => {
    for (let n = 0; n < 2; n++) {
      const socket = open('one', 'pod 1');
      socket.bytesRead += 100 * mib;
      socket.destroy();
    }
    vi.advanceTimersByTime(500);
    expect(() => floods.admit('pod 1')).toThrow(/left alone/);
  });

  it('is not looked at when there is nobody', () => {
    open('one', 'pod 1').destroy();
    vi.advanceTimersByTime(500);
    expect(vi.getTimerCount()).toBe(0);
  });
});
