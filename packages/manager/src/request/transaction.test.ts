// All or nothing: whichever step fails, everything before it is undone, the last first.
import { NsmError } from '@nsm/api';
import { Courses } from '@nsm/observe';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Transaction } from './transaction.js';

describe('Transaction', () => {
  it('undoes in reverse, also past an undo that fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 0, max: 6 }),
        async (failing, stubborn) => {
          const done: number[] = [];
          const reasons: NsmError[] = [];
          const transaction = new Transaction(
            new AbortController().signal,
            new Courses().begin('connect'),
            (step) => {
              if (step === `step ${failing}`) throw new NsmError('dataplane', 'injected');
            },
          );
          const run = async (): Promise<void> => {
            for (let n = 0; n < 6; n++) {
              await transaction.step(
                `step ${n}`,
                () => done.push(n),
                (_, why) => {
                  reasons.push(why);
                  if (n === stubborn) throw new Error('stuck');
                  done.splice(done.indexOf(n), 1);
                },
              );
            }
          };
          if (failing === 6) return await run();
          await expect(run()).rejects.toMatchObject({ message: 'injected' });
          const why = new NsmError('dataplane', 'why');
          const failures = await transaction.rollback(why);
          expect(reasons.every((reason) => reason === why)).toBe(true);
          expect(done).toEqual(stubborn <= failing ? [stubborn] : []);
          expect(failures.map(({ message }) => message)).toEqual(
            stubborn <= failing ? [`undoing "step ${stubborn}": stuck`] : [],
          );
        },
      ),
    );
  });

  it('starts no step after the deadline', async () => {
    const transaction = new Transaction(
      AbortSignal.abort(new NsmError('deadline', 'late')),
      new Courses().begin('connect'),
    );
    await expect(transaction.step('one', () => expect.unreachable())).rejects.toMatchObject({
      kind: 'deadline',
    });
  });

  it('names the step that the deadline ended, and not what fails otherwise', async () => {
    const abort = new AbortController();
    const transaction = new Transaction(abort.signal, new Courses().begin('connect'));
    expect(transaction.failure(new NsmError('dataplane', 'no'))).toMatchObject({ message: 'no' });
    await transaction.step('one', () => undefined);
    const two = transaction.step('two', () => {
      abort.abort(new DOMException('', 'TimeoutError'));
      throw new Error('cut off');
    });
    const three = await Promise.allSettled([two, transaction.step('three', () => undefined)]);
    expect(three.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(transaction.failure('')).toMatchObject({
      kind: 'deadline',
      message: 'the deadline passed while: two',
    });
    expect(new Transaction(abort.signal, new Courses().begin('connect')).failure('')).toMatchObject({
      message: 'the deadline passed while: wait for what was under way for the same request',
    });
  });
});
