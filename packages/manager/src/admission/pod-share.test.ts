// What one pod may have, and what it is told then.
import { NsmError } from '@nsm/api';
import { expect, it } from 'vitest';
import { requireShare } from './pod-share.js';

it('ends at 1024 connections of one pod', () => {
  expect(() => requireShare(4026532208, 1023)).not.toThrow();
  try {
    requireShare(4026532208, 1024);
    expect.unreachable();
  } catch (error) {
    expect(NsmError.from(error).toAdmissionError()).toBe(
      'the pod of network namespace 4026532208 has 1024 connections, as many as one pod may have: close some (NSM0006)',
    );
  }
});
