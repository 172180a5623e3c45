// Failures in words, in JSON and as exit status.
import { NsmError } from '@nsm/api';
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { failureOf, readValue, UsageError, wordFailure } from './exit-status.js';

describe('exit status', () => {
  it.each([
    [new NsmError('no-endpoint', 'nobody'), 1],
    [new NsmError('invalid', 'no'), 1],
    [new NsmError('unavailable', 'no manager'), 3],
    [new NsmError('stopping', 'bye'), 3],
    [new NsmError('deadline', 'late'), 4],
    [new CommanderError(1, 'commander.unknownOption', 'unknown'), 2],
    [new CommanderError(0, 'commander.help', 'help'), 0],
    [new TypeError('oops'), 1],
    ['oops', 1],
  ])('of %s is %d', (thrown, status) => expect(failureOf(thrown).status).toBe(status));

  it('comes with the code, and without a stack trace', () => {
    expect(wordFailure(new NsmError('no-endpoint', 'nobody'), false)).toBe('nsm: nobody (NSM0201)');
    expect(wordFailure(new TypeError('oops'), false)).toBe('nsm: oops');
    expect(JSON.parse(wordFailure(new NsmError('no-endpoint', 'nobody'), true))).toEqual({
      error: { code: 'NSM0201', kind: 'no-endpoint', message: 'nobody' },
    });
  });

  it('of a wrong command line is told to programs as JSON', () => {
    const wrong = new CommanderError(1, 'commander.unknownOption', "error: unknown option '--x'");
    expect(JSON.parse(wordFailure(wrong, true))).toEqual({
      error: { kind: 'usage', message: "unknown option '--x'" },
    });
  });

  it('says once what is told line by line', () => {
    const refused = Object.assign(new NsmError('no-matching-endpoint', 'none fits: a: no'), {
      summary: 'none fits',
      explained: ['a: no'],
    });
    expect(wordFailure(refused, false)).toBe('nsm: none fits (NSM0202)\n  a: no');
    expect(JSON.parse(wordFailure(refused, true)).error.message).toBe('none fits: a: no');
  });
});

it('of a value that only the command can read is that of a wrong command line', () => {
  const failing = () =>
    readValue('--as', () => {
      throw new NsmError('invalid', 'not known: x');
    });
  expect(failing).toThrow('--as: not known: x');
  expect(failureOf(new UsageError('--as: not known: x'))).toMatchObject({ status: 2, kind: 'usage' });
  expect(readValue('--as', () => 7)).toBe(7);
});
