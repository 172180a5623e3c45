// The last refusal of each pod and service, and no more of them than fit.
import { create } from '@bufbuild/protobuf';
import { NsmError, SubjectSchema } from '@nsm/api';
import { expect, it } from 'vitest';
import { Refusals } from './refusals.js';

const nothing = { entries: () => [], put: () => undefined };
const pod = (inode: number) => ({ inode, cookie: 0n });
const client = create(SubjectSchema);
const asked = (networkServiceName: string, requestId: string) => ({
  networkServiceName,
  requestId,
  interface: [],
});
const error = (text: string): NsmError => new NsmError('no-packets', text);

it('a refusal is remembered for each pod and service until the pod has what it asked for', () => {
  let now = 1000;
  const refusals = new Refusals(nothing, () => now++);
  refusals.note(pod(1), asked('vpn', 'a'), client, error('first'));
  refusals.note(pod(1), asked('vpn', 'b'), client, error('second'));
  refusals.note(pod(2), asked('vpn', 'a'), client, error('other'));
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

it('refusals cost no memory without end', () => {
  const refusals = new Refusals(nothing, () => 0);
  for (let n = 0; n <= 1024; n++) refusals.note(pod(1), asked(`s${n}`, 'a'), client, error('any'));
  expect(refusals.of(pod(1), 's0')).toBeUndefined();
  expect(refusals.of(pod(1), 's1')).toBeDefined();
});

it('refusals are told of one pod, or of all but for callers that gave up, the latest first', () => {
  const refusals = new Refusals(nothing, () => 0);
  refusals.note(pod(1), asked('vpn', 'a'), client, error('any'));
  refusals.note(pod(2), asked('vpn', 'b'), client, error('any'));
  refusals.note(pod(1), asked('dns', 'c'), client, error('any'));
  refusals.note(pod(1), asked('web', 'd'), client, new NsmError('cancelled', 'gone'));
  const ids = (of?: ReturnType<typeof pod>) => refusals.recent(of).map(({ requestId }) => requestId);
  expect([ids(), ids(pod(1))]).toEqual([
    ['c', 'b', 'a'],
    ['d', 'c', 'a'],
  ]);
});
