// Keys of a terminal that is played by an emitter.
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { QuitKey } from './quit-key.js';

class Terminal extends EventEmitter {
  readonly isTTY = true;
  isRaw = false;
  setRawMode(raw: boolean): this {
    this.isRaw = raw;
    return this;
  }
  pause(): this {
    return this;
  }
}

it('q ends nsm top, and the terminal is as before', () => {
  const terminal = new Terminal();
  const key = new QuitKey(true, terminal as unknown as NodeJS.ReadStream);
  terminal.emit('data', Buffer.from('x'));
  expect([key.signal.aborted, terminal.isRaw]).toEqual([false, true]);
  terminal.emit('data', Buffer.from('q'));
  expect(key.signal.aborted).toBe(true);
  key[Symbol.dispose]();
  expect([terminal.isRaw, terminal.listenerCount('data')]).toEqual([false, 0]);
});

it('no key is read where the output is shown only once', () => {
  const terminal = new Terminal();
  using _key = new QuitKey(false, terminal as unknown as NodeJS.ReadStream);
  expect([terminal.isRaw, terminal.listenerCount('data')]).toEqual([false, 0]);
});
