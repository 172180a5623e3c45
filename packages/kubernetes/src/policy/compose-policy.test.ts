// The policy objects of a cluster as one policy.
import { parseSubject } from '@nsm/policy';
import { parsePolicy } from '@nsm/policy/parse';
import { expect, it } from 'vitest';
import { composePolicy, type PolicyPart } from './compose-policy.js';

const part = (name: string, spec: object): PolicyPart => ({ metadata: { name }, spec });
const decide = (text: string | undefined, subject: string, service: string): string => {
  const policy = parsePolicy(text ?? '', 'test');
  const provider = { name: 'a', namespace: 'default' };
  return policy.decide({ action: 'request', subject: parseSubject(subject), service, provider }).rule;
};

it('a cluster without policy objects has no policy, and one with them one of all of them', () => {
  expect(composePolicy([], [])).toBeUndefined();
  const text = composePolicy(
    [
      part('20-rest', { rules: [{ name: 'none', effect: 'deny' }] }),
      part('10-teams', {
        rules: [
          {
            name: 'a',
            effect: 'allow',
            subjects: [{ kubernetes: { namespace: ['team-a'], service_account: ['web'] } }],
          },
        ],
      }),
    ],
    [],
  );
  expect(decide(text, 'namespace=team-a,service-account=web', 'fw')).toBe('10-teams.a');
  expect(decide(text, 'namespace=team-b,service-account=web', 'fw')).toBe('20-rest.none');
});

it('is about the services that refer to it, unless its rules say otherwise', () => {
  const text = composePolicy(
    [
      part('a', {
        rules: [
          { name: 'x', effect: 'deny' },
          { name: 'y', effect: 'deny', services: ['other'] },
        ],
      }),
      part('b', { rules: [{ name: 'z', effect: 'allow' }] }),
    ],
    [{ service: 'secure', policy: 'a' }],
  );
  expect(decide(text, 'uid=1', 'secure')).toBe('a.x');
  expect(decide(text, 'uid=1', 'other')).toBe('a.y');
  expect(decide(text, 'uid=1', 'plain')).toBe('b.z');
});

it('puts together who may provide a service', () => {
  const text = composePolicy(
    [part('a', { reserve: { fw: [{ uid: [0] }] } }), part('b', { reserve: { fw: [{ uid: [7] }] } })],
    [],
  );
  expect(JSON.parse(text ?? '').reserve).toEqual({ fw: [{ uid: [0] }, { uid: [7] }] });
});

it('has a name of its own for each rule of each object', () => {
  const long = 'x'.repeat(70);
  const rules = (name: string) => ({ rules: [{ name, effect: 'allow' }] });
  const text = composePolicy(
    [
      part('a', rules('b.c')),
      part('a.b', rules('c')),
      part(`one-${long}`, rules('c')),
      part(`two-${long}`, rules('c')),
    ],
    [],
  );
  parsePolicy(text ?? '', 'test');
  const { rules: named } = JSON.parse(text ?? '') as { readonly rules: readonly { readonly name: string }[] };
  expect(named.map(({ name }) => name)).toContain('a.b.c');
});
