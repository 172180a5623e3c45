// The table of error numbers, against Node's own and libc's.
import { constants } from 'node:os';
import { expect, it } from 'vitest';
import { errno, errnoName } from './errno.js';
import { NetlinkBatchError, NetlinkError } from './netlink-error.js';

it('names and numbers of errors are those of Node.js', () => {
  for (const [name, number] of Object.entries(constants.errno)) {
    // Second names for the same numbers.
    if (name === 'ENOTSUP' || name === 'EWOULDBLOCK') continue;
    expect(errnoName(number)).toBe(name);
    expect(errno[name]).toBe(number);
  }
  expect(errnoName(133)).toBe('EHWPOISON');
  expect(errnoName(4711)).toBe('errno 4711');
});

it('an error reads as code: operation object: words', () => {
  const error = new NetlinkError(17, 'add link', 'nsm0 in netns 4026532208');
  expect(error.message).toBe('EEXIST: add link nsm0 in netns 4026532208: File exists');
  expect(error).toMatchObject({ errno: 17, code: 'EEXIST', operation: 'add link' });
  const explained = new NetlinkError(22, 'set link', '#2', { text: 'Invalid MTU', offset: 32 });
  expect(explained.message).toBe('EINVAL: set link #2: Invalid MTU (invalid argument)');
  expect(explained.attributeOffset).toBe(32);
});

it('the error of a batch is its first failure', () => {
  const failure = { index: 3, error: new NetlinkError(19, 'set link', '#9', { text: 'gone' }) };
  const error = new NetlinkBatchError(failure, [failure]);
  expect(error).toBeInstanceOf(NetlinkError);
  expect(error).toMatchObject({
    index: 3,
    code: 'ENODEV',
    message: failure.error.message,
    cause: failure.error,
  });
});
