// More requests than a node can work on: in turn, bounded, each only as long as its caller waits, and something for everybody.
import { setMaxListeners } from 'node:events';
import { setImmediate as settled } from 'node:timers/promises';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Intake, type IntakeOptions, type Turn } from './intake.js';

describe('Intake', () => {
  const never = new AbortController().signal;
  setMaxListeners(0, never);
  const logged: string[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void logged.push(line) });
  const made = (options: IntakeOptions) => new Intake({ logger }, options);
  const turn = (asker: string, service: string): Turn => ({ asker, service, requestId: 'r' });

  /** Requests that begin when it is their turn and end when they are told to. */
  const stage = (options: IntakeOptions) => {
    const intake = made(options);
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    return {
      begun,
      ends,
      ask(asker: string, service: string, signal = never): Promise<void> {
        return intake.run(turn(asker, service), signal, async () => {
          const name = `${asker} ${service}`;
          await new Promise<void>((resolve) => ends.set(`${name} ${begun.push(name)}`, resolve));
        });
      },
      /** Ends the first that runs for an asker and a service, or for anyone. */
      async end(name = ''): Promise<boolean> {
        const key = [...ends.keys()].find((one) => one.startsWith(name));
        if (key === undefined) return false;
        ends.get(key)?.();
        ends.delete(key);
        for (let n = 0; n < 10; n++) await Promise.resolve();
        return true;
      },
    };
  };

  it('leaves as much as a service takes, and takes those who ask in turn', async () => {
    const { ask, begun, end } = stage({ atOnce: 4, waiting: 100 });
    const asked = ['a x', 'a x', 'a x', 'a x', 'b x', 'a x', 'c x', 'b x'].map((name) => {
      const [asker = '', service = ''] = name.split(' ');
      return ask(asker, service);
    });
    expect(begun).toEqual(['a x', 'a x']);
    while (await end());
    expect(begun.slice(2)).toEqual(['a x', 'b x', 'c x', 'a x', 'b x', 'a x']);
    await Promise.all(asked);
  });

  it('counts those that wait as long as they do, and refuses one that its asker may not have waiting', async () => {
    const intake = made({ atOnce: 2, waiting: 100 });
    const [waiting, gone] = [new Set<number>(), new AbortController()];
    let end = (): void => undefined;
    const ask = (n: number, work: () => Promise<void>, signal = never) =>
      intake.run(
        {
          ...turn('a', 'x'),
          reserve: () => {
            if (waiting.size === 2) throw new Error('too many');
            waiting.add(n);
            return () => waiting.delete(n);
          },
        },
        signal,
        work,
      );
    const asked = [ask(0, () => new Promise<void>((resolve) => (end = resolve)))];
    expect(waiting.size).toBe(0);
    asked.push(ask(1, async () => expect([...waiting]).toEqual([])));
    const left = ask(2, async () => undefined, gone.signal);
    await expect(ask(3, async () => undefined)).rejects.toThrow('too many');
    expect([...waiting]).toEqual([1, 2]);
    gone.abort(new Error('its caller went away'));
    await expect(left).rejects.toThrow();
    end();
    await Promise.all(asked);
    expect(waiting.size).toBe(0);
  });

  it('begins the request for another service at once while hundreds wait for one that hangs', async () => {
    const { ask, begun, end, ends } = stage({ atOnce: 64, waiting: 4096 });
    for (let n = 0; n < 200; n++) void ask('a', 'hangs');
    for (let n = 0; n < 200; n++) void ask(`pod-${n}`, 'hangs');
    for (let n = 0; n < 200; n++) void ask('a', 'hangs too');
    const others = [ask('a', 'good'), ask('b', 'good'), ask('c', 'hangs too')];
    expect(begun.slice(-2)).toEqual(['a good', 'b good']);
    expect(ends.size).toBe(32 + 16 + 2);
    for (const name of ['a good', 'b good']) await end(name);
    await Promise.all(others.slice(0, 2));
    // Of those that ask for what hangs, everyone has a turn before anyone has the next.
    await end('a hangs too');
    await end('a hangs too');
    expect(begun.slice(-2).toSorted()).toEqual(['a hangs too', 'c hangs too']);
  });

  it('leaves room for others whatever one asks for', async () => {
    const { ask, begun, ends } = stage({ atOnce: 64, waiting: 4096 });
    for (let n = 0; n < 1000; n++) void ask('a', `service-${n % 100}`);
    expect(ends.size).toBe(56);
    void ask('b', 'good');
    expect(begun.at(-1)).toBe('b good');
  });

  it('refuses who waits with as many as there are places left, and nobody else', async () => {
    const { ask, begun } = stage({ atOnce: 2, waiting: 100 });
    const refusals: unknown[] = [];
    for (let n = 0; n < 101; n++) ask('a', 'x').catch((error: unknown) => refusals.push(error));
    await settled();
    expect(refusals).toHaveLength(50);
    expect(refusals[0]).toMatchObject({
      kind: 'overload',
      message: expect.stringMatching(/50 more requests wait, 50 of them/),
    });
    for (let n = 0; n < 25; n++) ask('b', 'x').catch((error: unknown) => refusals.push(error));
    await settled();
    expect(refusals).toHaveLength(50);
    expect(begun).toEqual(['a x']);
  });

  it('gives the turn of a failed request, and not that of one that left, to the next', async () => {
    const intake = made({ atOnce: 1, waiting: 8 });
    let fail = (): void => undefined;
    const first = intake.run(turn('a', 'x'), never, () => {
      return new Promise((_, reject) => {
        fail = () => reject(new Error('failed'));
      });
    });
    const leaving = new AbortController();
    const second = intake.run(turn('a', 'x'), leaving.signal, async () => 'second');
    const third = intake.run(turn('a', 'x'), never, async () => 'third');
    leaving.abort(new DOMException('late', 'TimeoutError'));
    const message = 'the deadline passed while: wait for its turn among 2 requests';
    await expect(second).rejects.toMatchObject({ kind: 'deadline', message });
    const line = JSON.parse(logged.at(-1) ?? '') as object;
    expect(line).toMatchObject({
      service: 'x',
      request: 'r',
      err: { message: expect.stringContaining(message) },
    });
    await expect(intake.run(turn('a', 'x'), leaving.signal, async () => '')).rejects.toMatchObject({
      kind: 'deadline',
    });
    fail();
    await expect(first).rejects.toThrow('failed');
    expect(await third).toBe('third');
    expect(await intake.run(turn('b', 'x'), never, async () => 'idle')).toBe('idle');
  });

  it('works on everything once, and never on more than it can, whoever asks and leaves', async () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const act = fc.oneof(fc.tuple(name, name), fc.constant('end'), fc.constant('leave'));
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 60 }), async (acts) => {
        const all = stage({ atOnce: 5, waiting: 1000 });
        const callers: AbortController[] = [];
        const asked: Promise<unknown>[] = [];
        for (const one of acts) {
          if (one === 'end') await all.end();
          else if (one === 'leave') callers.shift()?.abort();
          else {
            const caller = new AbortController();
            callers.push(caller);
            asked.push(all.ask(one[0] ?? '', one[1] ?? '', caller.signal).catch(() => 'left'));
          }
          expect(all.ends.size).toBeLessThanOrEqual(5);
        }
        while (await all.end());
        const left = (await Promise.all(asked)).filter((outcome) => outcome === 'left');
        expect(all.begun.length + left.length).toBe(asked.length);
      }),
      { numRuns: 200 },
    );
  });
});
