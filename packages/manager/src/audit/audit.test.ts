// What a line of the audit log says of who asked, and how many lines one asker can make.
import { create } from '@bufbuild/protobuf';
import { SubjectSchema } from '@nsm/api';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Audit, subjectFields } from './audit.js';

describe('the audit', () => {
  const lines: object[] = [];
  let audit: Audit;

  beforeEach(() => {
    vi.useFakeTimers();
    lines.length = 0;
    audit = new Audit({ write: (line) => lines.push(line) }, 'node-a');
  });
  afterEach(() => vi.useRealTimers());

  const refuse = (cookie: string): void =>
    audit.note({ event: 'call', who: { cookie }, outcome: 'refused NSM0006' });

  it('names who asked by namespace, user and process', () => {
    const subject = create(SubjectSchema, { inode: 42, cookie: '7', uid: 0, gid: 0, pid: 99 });
    expect(subjectFields(subject)).toEqual({ inode: 42, cookie: '7', uid: 0, gid: 0, pid: 99 });
  });

  it('counts the refusals of a flood, so that no asker turns over the lines of others', () => {
    for (let index = 0; index < 1000; index++) refuse('1');
    expect(lines).toHaveLength(256);
    refuse('2');
    audit.note({ event: 'connection', who: { cookie: '1' }, outcome: 'UP' });
    expect(lines).toHaveLength(258);
    vi.advanceTimersByTime(10_000);
    expect(lines.at(-1)).toMatchObject({ event: 'audit', who: { cookie: '1' }, what: { lines: 744 } });
    refuse('1');
    expect(lines).toHaveLength(260);
  });
});
