// An endpoint that sends without end is not called any more, and neither are its pod's others for a while.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EndpointFloods } from './endpoint-floods.js';

class Sending extends EventEmitter {
  bytesRead = 0;
  destroy(): void {
    this.emit('close');
  }
}

const mib = 2 ** 20;
const listener = (cookie: bigint) => ({ pid: 1, uid: 1, gid: 1, namespace: { inode: 1, cookie } });

describe('what endpoints send', () => {
  let floods: EndpointFloods;
  const flooded: string[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    floods = new EndpointFloods();
    flooded.length = 0;
  });
  afterEach(() => vi.useRealTimers());

  const open = (name: string, cookie: bigint): Sending => {
    const socket = new Sending();
    floods.watch(socket as unknown as Socket, listener(cookie), () => flooded.push(name));
    return socket;
  };

  it('may be much, in its time', () => {
    const socket = open('one', 1n);
    for (let look = 0; look < 10; look++) {
      socket.bytesRead += 8 * mib;
      vi.advanceTimersByTime(500);
    }
    expect(flooded).toEqual([]);
    expect(() => floods.admit(listener(1n))).not.toThrow();
  });

  it('is too much of all endpoints of a pod together; other pods are called on', () => {
    const [one, two, other] = [open('one', 1n), open('two', 1n), open('other', 2n)];
    for (const socket of [one, two, other]) socket.bytesRead += 5 * mib;
    vi.advanceTimersByTime(500);
    expect(flooded).toEqual(['one', 'two']);
    expect(() => floods.admit(listener(1n))).toThrow(/sent more than 8 MiB in 500 ms.*10 s/);
    expect(() => floods.admit(listener(2n))).not.toThrow();
    vi.advanceTimersByTime(10_000);
    expect(() => floods.admit(listener(1n))).not.toThrow();
  });

  it('is not looked at when there is nobody', () => {
    open('one', 1n).destroy();
    expect(vi.getTimerCount()).toBe(0);
  });
});
