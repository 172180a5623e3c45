import { describe, expect, it } from 'vitest';
import { EventLog } from './event-log.js';

describe('an event log', () => {
  it('tells what came after an event', () => {
    const log = new EventLog();
    const start = log.lastId;
    const ids = ['a', 'b', 'c'].map((data) => log.add(data));
    expect(log.after(start)).toEqual(ids.map((id, index) => ({ id, data: 'abc'[index] })));
    expect(log.after(ids[1] ?? '')?.map(({ data }) => data)).toEqual(['c']);
    expect(log.after(log.lastId)).toEqual([]);
  });

  it('does not know events of another life, of the future, or that are long gone', () => {
    const log = new EventLog();
    const first = log.add('first');
    const [epoch] = first.split('-');
    for (const id of [
      new EventLog().add('other'),
      `${epoch}-99`,
      `${epoch}--1`,
      `${epoch}-`,
      '',
      'x',
      `${epoch}-1e0`,
    ])
      expect(log.after(id)).toBeUndefined();
    for (let index = 0; index < 2001; index++) log.add('more');
    expect(log.after(first)).toBeUndefined();
  });

  it('keeps no more than some megabytes', () => {
    const log = new EventLog();
    const first = log.add('x'.repeat(5 << 20));
    expect(log.after(first)).toEqual([]);
    log.add('x'.repeat(5 << 20));
    expect(log.after(first)).toHaveLength(1);
    log.add('x'.repeat(5 << 20));
    expect(log.after(first)).toBeUndefined();
  });
});
