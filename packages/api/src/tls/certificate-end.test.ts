// When a connection ends whose certificates are over.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { endAt } from './certificate-end.js';

const day = 86_400_000;
let ended: number;
const socket = (): Socket => {
  const made = new EventEmitter();
  const destroy = (): void => {
    ended++;
    made.emit('close');
  };
  return Object.assign(made, { destroy }) as unknown as Socket;
};

beforeEach(() => {
  ended = 0;
  vi.useFakeTimers();
});
afterEach(() => void vi.useRealTimers());

it('a connection ends with its certificate, at once where no call is under way', () => {
  endAt(socket(), Date.now() + 40 * day, () => true);
  vi.advanceTimersByTime(40 * day - 1);
  expect(ended).toBe(0);
  vi.advanceTimersByTime(1);
  expect(ended).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

it('a connection whose certificate has ended ends with its last call', () => {
  let idle = false;
  endAt(socket(), Date.now() + day, () => idle);
  vi.advanceTimersByTime(day + 5000);
  expect(ended).toBe(0);
  idle = true;
  vi.advanceTimersByTime(1000);
  expect(ended).toBe(1);
});

it('a connection ends a minute after its certificate, whatever is under way', () => {
  endAt(socket(), Date.now() + day, () => false);
  vi.advanceTimersByTime(day + 59_000);
  expect(ended).toBe(0);
  vi.advanceTimersByTime(1000);
  expect(ended).toBe(1);
});

it('a connection ends when the clock is set past the end of its certificate', () => {
  endAt(socket(), Date.now() + 40 * day, () => true);
  vi.setSystemTime(Date.now() + 41 * day);
  vi.advanceTimersByTime(3_600_000);
  expect(ended).toBe(1);
});

it('a connection that is closed leaves no timer behind', () => {
  const one = socket();
  endAt(one, Date.now() + day, () => true);
  one.destroy();
  expect(vi.getTimerCount()).toBe(0);
});
