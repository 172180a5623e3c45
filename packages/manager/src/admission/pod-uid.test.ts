// Which request_id a pod may use, where some are the UIDs of pods.
import { create } from '@bufbuild/protobuf';
import { KubernetesPodSchema, NsmError } from '@nsm/api';
import { expect, it } from 'vitest';
import { admitPodUid } from './pod-uid.js';

const mine = 'c03ff1be-0410-4679-af1c-3dbc632c6c36';
const other = '11111111-0410-4679-af1c-3dbc632c6c36';
const facts = create(KubernetesPodSchema, { namespace: 'default', name: 'app' });
const pods = {
  has: (uid: string) => uid === mine || uid === other,
  podIn: (inode: number) => (inode === 42 ? { uid: mine, facts } : undefined),
};

it('a pod may use its own UID, with a number too, and what is no UID of a pod of this node', () => {
  for (const id of [
    mine,
    mine.toUpperCase(),
    `${mine}:2`,
    'anything',
    '22222222-0410-4679-af1c-3dbc632c6c36',
  ])
    expect(() => admitPodUid(id, 42, pods)).not.toThrow();
});

it('no other pod may use it, and no namespace that is no pod', () => {
  for (const [id, inode] of [
    [other, 42],
    [other.toUpperCase(), 42],
    [`${other}:2`, 42],
    [mine, 43],
  ] as const)
    expect(() => admitPodUid(id, inode, pods)).toThrow(
      expect.toSatisfy((error: unknown) => NsmError.from(error).kind === 'namespace-foreign'),
    );
});

it('without Kubernetes every request_id may be used', () => {
  expect(() => admitPodUid(other, 42, undefined)).not.toThrow();
});
