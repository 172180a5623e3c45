// A reader gets every event in order, and costs no memory without end when it never reads.
import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.js';

const read = async (queue: EventQueue<number>): Promise<number[]> => {
  const items: number[] = [];
  for await (const item of queue) items.push(item);
  return items;
};

describe('EventQueue', () => {
  it('gives what was queued before the end, in order', async () => {
    let ends = 0;
    const queue = new EventQueue<number>(() => ends++);
    for (const item of [1, 2, 3]) queue.push(item);
    queue.end();
    queue.push(4);
    expect(await read(queue)).toEqual([1, 2, 3]);
    expect(ends).toBe(1);
  });

  it('keeps the newest thousand', async () => {
    const queue = new EventQueue<number>(() => undefined);
    for (let item = 1; item <= 5000; item++) queue.push(item);
    queue.end();
    expect(await read(queue)).toEqual(Array.from({ length: 1000 }, (_, index) => 4001 + index));
  });
});
