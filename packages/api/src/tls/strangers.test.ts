// Connections whose other end has not shown yet who it is.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Pace } from '../pace.js';
import { Strangers } from './strangers.js';

class FakeSocket extends EventEmitter {
  destroyed = false;
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

const crowd = (strangers: Strangers, count: number, address: (index: number) => string): FakeSocket[] =>
  Array.from({ length: count }, (_, index) => {
    const socket = new FakeSocket();
    strangers.add(socket as unknown as Socket, address(index));
    return socket;
  });
const open = (sockets: readonly FakeSocket[]): number => sockets.filter(({ destroyed }) => !destroyed).length;

describe('strangers', () => {
  it('of one address are few, and the oldest goes', () => {
    const sockets = crowd(new Strangers(), 40, () => '10.0.0.1');
    expect(open(sockets)).toBe(32);
    expect(open(sockets.slice(0, 8))).toBe(0);
  });

  it('of one network of IPv6 are one, however it is written', () => {
    const sockets = crowd(new Strangers(), 40, (index) => `2001:db8:0:1::${index.toString(16)}`);
    expect(open(sockets)).toBe(32);
    expect(open(crowd(new Strangers(), 40, (index) => `::ffff:10.0.0.${index}`))).toBe(40);
  });

  it('of many addresses make room at the cost of the address that has the most', () => {
    const strangers = new Strangers();
    const one = crowd(strangers, 1, () => '10.1.0.1');
    const many = crowd(strangers, 300, (index) => `10.0.${index % 10}.1`);
    expect(open(one)).toBe(1);
    expect(open(many)).toBe(255);
  });

  it('that are known are none', () => {
    const strangers = new Strangers();
    const sockets = crowd(strangers, 32, () => '10.0.0.1');
    for (const socket of sockets) strangers.known(socket as unknown as Socket);
    crowd(strangers, 32, () => '10.0.0.1');
    expect(open(sockets)).toBe(32);
  });
});

it('a pace allows so many at once, and more as time passes', () => {
  let now = 0;
  const pace = new Pace({ atOnce: 3, perSecond: 2 }, () => now);
  const allowed = (tries: number): number =>
    Array.from({ length: tries }, () => pace.allows('a')).filter(Boolean).length;
  expect(allowed(5)).toBe(3);
  expect(pace.allows('b')).toBe(true);
  now = 1000;
  expect(allowed(5)).toBe(2);
  now = 60_000;
  expect(allowed(5)).toBe(3);
});
