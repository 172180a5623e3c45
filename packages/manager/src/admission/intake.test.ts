// More requests than a node can work on: in order, bounded, each only as long as its caller waits.
import { describe, expect, it } from 'vitest';
import { Intake } from './intake.js';

describe('Intake', () => {
  const never = new AbortController().signal;
  const held = () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    return { gate, release };
  };

  it('works on so many at once, in order of arrival, and refuses what is too much', async () => {
    const intake = new Intake({ atOnce: 2, waiting: 2 });
    const gates = [held(), held(), held(), held()];
    const started: number[] = [];
    const running = gates.map(({ gate }, n) =>
      intake.run(never, async () => {
        started.push(n);
        await gate;
        return n;
      }),
    );
    await expect(intake.run(never, async () => 0)).rejects.toMatchObject({ kind: 'overload' });
    expect(started).toEqual([0, 1]);
    gates[1]?.release();
    await running[1];
    await Promise.resolve();
    expect(started).toEqual([0, 1, 2]);
    for (const { release } of gates) release();
    expect(await Promise.all(running)).toEqual([0, 1, 2, 3]);
    expect(await intake.run(never, async () => 'idle')).toBe('idle');
  });

  it('gives the turn of a failed request, and not that of one that left, to the next', async () => {
    const intake = new Intake({ atOnce: 1, waiting: 8 });
    const { gate, release } = held();
    const first = intake.run(never, async () => {
      await gate;
      throw new Error('failed');
    });
    const leaving = new AbortController();
    const second = intake.run(leaving.signal, async () => 'second');
    const third = intake.run(never, async () => 'third');
    leaving.abort(new Error('left'));
    await expect(second).rejects.toMatchObject({ message: 'left' });
    release();
    await expect(first).rejects.toThrow('failed');
    expect(await third).toBe('third');
  });
});
