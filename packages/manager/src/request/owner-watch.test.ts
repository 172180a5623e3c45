// Connections end with their process, and with no other of its number.
import { EventEmitter } from 'node:events';
import type { ProcessHandle } from '@nsm/netlink';
import { describe, expect, it } from 'vitest';
import type { Connection } from '../state/connection.js';
import { OwnerWatch } from './owner-watch.js';

/** A process of a number that is given again before anybody has heard that the first has ended. */
class TestProcess extends EventEmitter {
  readonly pid = 4711;
  readonly startTime: number;
  closed = false;
  constructor(startTime: number) {
    super();
    this.startTime = startTime;
  }
  onExit(_poller: unknown, callback: () => void): Disposable {
    this.once('exit', callback);
    return { [Symbol.dispose]: () => undefined };
  }
  close(): void {
    this.closed = true;
  }
}

const owned = (id: string, { pid, startTime }: TestProcess): Connection =>
  ({ id, owner: { namespace: 1, process: { pid, startTime } } }) as unknown as Connection;

describe('OwnerWatch', () => {
  const watchOver = (current: () => TestProcess) => {
    const ended: string[] = [];
    const watch = new OwnerWatch(
      (ids) => ended.push(...ids),
      () => current() as unknown as ProcessHandle,
    );
    return { watch, ended };
  };

  it('lets go of each of two processes that had one number', () => {
    const [former, later] = [new TestProcess(1), new TestProcess(2)];
    let current = former;
    const { watch, ended } = watchOver(() => current);
    const [a, b, c] = [owned('a', former), owned('b', later), owned('c', later)];
    watch.hold(a);
    current = later;
    watch.hold(b);
    former.emit('exit');
    expect([former.closed, later.closed, ...ended]).toEqual([true, false, 'a']);
    watch.hold(c);
    watch.letGo(b);
    expect(later.closed).toBe(false);
    watch.letGo(c);
    expect(later.closed).toBe(true);
    watch.stop();
  });

  it('lets go of the one that has ended, though another has its number', () => {
    const [former, later] = [new TestProcess(1), new TestProcess(2)];
    let current = former;
    const { watch } = watchOver(() => current);
    const a = owned('a', former);
    watch.hold(a);
    current = later;
    watch.hold(owned('b', later));
    watch.letGo(a);
    expect([former.closed, later.closed]).toEqual([true, false]);
    watch.stop();
  });
});
