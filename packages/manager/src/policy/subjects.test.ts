// What policies are told of a pod: what the API and the kernel say now, else what was recorded.
import { create } from '@bufbuild/protobuf';
import { type KubernetesPod, KubernetesPodSchema } from '@nsm/api';
import { expect, it } from 'vitest';
import { Subjects } from './subjects.js';

function facts(tenant: string): KubernetesPod {
  return create(KubernetesPodSchema, {
    namespace: 'shop',
    serviceAccount: 'till',
    name: 'app',
    labels: { tenant },
  });
}

it('a subject has the facts of the pod that has the namespace, as they are now', () => {
  let now: KubernetesPod | undefined = facts('red');
  const subjects = new Subjects({
    self: { name: 'node-a', domain: 'nsm' },
    guard: { speaksForOthers: () => false },
    source: { policy: undefined },
    pods: { podIn: (inode) => (now && inode === 42 ? { uid: 'any', facts: now } : undefined) },
  });
  const subject = subjects.of({ uid: 1000, gid: 1000 }, { inode: 42, cookie: 7n });
  expect(subject.kubernetes).toEqual(facts('red'));
  expect(subjects.of({ uid: 1000, gid: 1000 }, { inode: 43, cookie: 8n }).kubernetes).toBeUndefined();
  now = facts('blue');
  expect(subjects.again(subject).kubernetes).toEqual(facts('blue'));
  // While the pod is not known, what was recorded counts.
  now = undefined;
  expect(subjects.again(subject).kubernetes).toEqual(facts('red'));
});
