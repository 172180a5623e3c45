// A descriptor that is closed twice may have been another's meanwhile: the second close tells, by whichever way it comes.
import { openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ForeignDescriptors } from '../unix/foreign-descriptors.js';
import { close } from './libc.js';
import { SharedMemory } from './shared-memory.js';
import { closeInThread } from './threads.js';

const open = (): number => openSync('/dev/null', 'r');
const told = 'Bad file descriptor: it was closed before';

describe('a descriptor that was closed', () => {
  it('is not closed again', () => {
    const fd = open();
    close(fd);
    expect(() => close(fd)).toThrow(told);
    expect(() => closeInThread(fd)).toThrow(told);
    expect(() => new ForeignDescriptors().close('pod', fd)).toThrow(told);
  });

  it('is not closed by the memory that it is of', () => {
    const memory = SharedMemory.create('nsm-test', 4096);
    close(memory.fd);
    expect(() => memory.close()).toThrow(told);
    memory.close();
  });

  it('never was one', () => {
    expect(() => close(-24)).toThrow(told);
  });
});
