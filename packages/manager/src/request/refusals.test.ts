// The last refusal of each pod and service, and no more of them than fit.
import { NsmError } from '@nsm/api';
import { expect, it } from 'vitest';
import { Refusals } from './refusals.js';

const pod = (inode: number) => ({ inode, cookie: 0n });
const error = (text: string): NsmError => new NsmError('no-packets', text);

it('is remembered for each pod and service until the pod has what it asked for', () => {
  let now = 1000;
  const refusals = new Refusals(() => now++);
  refusals.note(pod(1), 'vpn', 'a', error('first'));
  refusals.note(pod(1), 'vpn', 'b', error('second'));
  refusals.note(pod(2), 'vpn', 'a', error('other'));
  expect(refusals.of(pod(1), 'vpn')).toMatchObject({
    requestId: 'b',
    error: { message: 'second' },
    at: 1001,
  });
  expect(refusals.of(pod(1), 'dns')).toBeUndefined();
  refusals.forget(pod(1), 'vpn');
  expect(refusals.of(pod(1), 'vpn')).toBeUndefined();
  expect(refusals.of(pod(2), 'vpn')).toMatchObject({ error: { message: 'other' } });
});

it('costs no memory without end', () => {
  const refusals = new Refusals(() => 0);
  for (let n = 0; n <= 1024; n++) refusals.note(pod(1), `s${n}`, 'a', error('any'));
  expect(refusals.of(pod(1), 's0')).toBeUndefined();
  expect(refusals.of(pod(1), 's1')).toBeDefined();
});
