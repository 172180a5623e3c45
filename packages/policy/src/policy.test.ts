// Rules in order, the first that fits decides: tables of policies and questions.
import { create } from '@bufbuild/protobuf';
import { type Subject, SubjectSchema } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import type { Question } from './decision.js';
import { parsePolicy } from './parse-policy.js';
import { parseSubject } from './subject-text.js';

const kernel = { type: 'kernel', parameters: {} };
const question = (who: string | Subject, more: Partial<Question> = {}): Question => ({
  action: 'request',
  subject: typeof who === 'string' ? parseSubject(who) : who,
  service: 'gateway',
  provider: { name: 'gw-1', namespace: '' },
  interface: kernel,
  ...more,
});
const decide = (policy: string, ...asked: Parameters<typeof question>) =>
  parsePolicy(policy, 'policy.yaml').decide(question(...asked));
/** One rule that allows what fits `fields`. */
const rule = (fields: string): string => `rules: [{ name: it, effect: allow, ${fields} }]`;

describe('a rule', () => {
  const provider = (text: string) => ({ providedBy: parseSubject(text) });
  it.each<[fields: string, who: string, more: Partial<Question>, fits: boolean]>([
    ['subjects: [{ netns: red-* }]', 'netns=red-1', {}, true],
    ['subjects: [{ netns: red-* }]', 'netns=blue-1', {}, false],
    ['subjects: [{ netns: "*" }]', 'uid=0', {}, false],
    ['subjects: [{ netns: [blue, r?d] }]', 'netns=red', {}, true],
    ['subjects: [{ inode: 4026532208 }]', 'inode=4026532208', {}, true],
    ['subjects: [{ uid: 0 }]', 'uid=0', {}, true],
    ['subjects: [{ uid: 0 }]', 'netns=red', {}, false],
    ['subjects: [{ uid: [5, 1000-1999] }]', 'uid=1999', {}, true],
    ['subjects: [{ uid: [5, 1000-1999] }]', 'uid=2000', {}, false],
    ['subjects: [{ gid: 7, uid: 8 }]', 'gid=7,uid=9', {}, false],
    ['subjects: [{ gid: 7 }, { uid: 9 }]', 'gid=1,uid=9', {}, true],
    ['subjects: [{ labels: { tenant: red } }]', 'label.tenant=red', {}, true],
    ['subjects: [{ labels: { tenant: red, tier: "*" } }]', 'label.tenant=red', {}, false],
    ['subjects: [{ labels: { constructor: "*" } }]', 'label.tenant=red', {}, false],
    ['subjects: [{ manager: node-* }]', 'manager=node-b', {}, true],
    ['subjects: [{ manager: "*" }]', 'uid=1', {}, false],
    ['subjects: [{ domain: nsm }]', 'domain=other', {}, false],
    ['subjects: [{ kubernetes: { namespace: red } }]', 'namespace=red', {}, true],
    ['subjects: [{ kubernetes: { namespace: red } }]', 'netns=red', {}, false],
    [
      'subjects: [{ kubernetes: { service_account: web, labels: { a: b } } }]',
      'service-account=web,pod-label.a=b',
      {},
      true,
    ],
    ['services: [gate*]', 'uid=1', {}, true],
    ['services: [fire*]', 'uid=1', {}, false],
    ['providers: gw-*', 'uid=1', {}, true],
    ['providers: default/gw-1', 'uid=1', {}, true],
    ['providers: other/gw-1', 'uid=1', {}, false],
    ['actions: provide', 'uid=1', {}, false],
    ['actions: provide', 'uid=1', { action: 'provide' }, true],
    ['actions: request, provided_by: [{ uid: 0 }]', 'uid=1', provider('uid=0'), true],
    ['actions: request, provided_by: [{ uid: 0 }]', 'uid=1', provider('uid=61001'), false],
    ['actions: request, provided_by: [{ uid: 0 }]', 'uid=1', {}, false],
    ['interfaces: [mem, kernel]', 'uid=1', {}, true],
    ['interfaces: mem', 'uid=1', {}, false],
    ['pools: fast-*', 'uid=1', { interface: { type: 'hw', parameters: { pool: 'fast-1' } } }, true],
    ['pools: fast-*', 'uid=1', { interface: { type: 'hw', parameters: { pool: 'slow' } } }, false],
    ['when: subject.uid >= 1000 && service == "gateway"', 'uid=1000', {}, true],
    ['when: subject.uid >= 1000', 'netns=red', {}, false],
    [`when: 'subject.labels.exists(k, k == "vip")'`, 'label.vip=yes', {}, true],
    [`when: 'provider.name.matches("^gw-[0-9]+$")'`, 'uid=1', {}, true],
  ])('{%s} for %s, %o: %s', (fields, who, more, fits) => {
    expect(decide(rule(fields), who, more)).toMatchObject(
      fits ? { allowed: true, rule: 'it' } : { allowed: false, rule: 'default' },
    );
  });

  it('is not about whom nothing is known of', () => {
    expect(decide(rule('subjects: [{ uid: 0 }]'), create(SubjectSchema)).allowed).toBe(false);
  });
});

describe('a policy', () => {
  it('without a rule denies', () => {
    expect(decide('rules: []', 'uid=0')).toMatchObject({ allowed: false, rule: 'default' });
  });

  it('is decided by the first rule that fits', () => {
    const policy = `
rules:
  - { name: not-blue, effect: deny, subjects: [{ netns: blue }] }
  - { name: everybody, effect: allow }
  - { name: late, effect: deny }`;
    expect(decide(policy, 'netns=red')).toMatchObject({ allowed: true, rule: 'everybody' });
    expect(decide(policy, 'netns=blue')).toMatchObject({
      allowed: false,
      reason: 'not allowed by rule "not-blue"',
    });
  });

  it('denies where a condition cannot be worked out, in rules that allow and in rules that deny', () => {
    for (const effect of ['allow', 'deny'])
      expect(
        decide(
          `rules: [{ name: it, effect: ${effect}, when: 'subject.labels.tenant == "red"' }, { name: all, effect: allow }]`,
          'uid=1',
        ),
      ).toMatchObject({
        allowed: false,
        rule: 'it',
        reason: expect.stringContaining('cannot be worked out'),
      });
  });

  it('keeps a reserved service for its holders, whatever its rules allow', () => {
    const policy = `
reserve: { gateway: [{ uid: 0, provider: gw-* }] }
rules: [{ name: all, effect: allow }]`;
    const provide = { action: 'provide' } as const;
    expect(decide(policy, 'uid=0', provide)).toMatchObject({ allowed: true, rule: 'all' });
    expect(decide(policy, 'uid=61001', provide)).toMatchObject({ allowed: false, rule: 'reserve gateway' });
    expect(decide(policy, 'uid=0', { ...provide, provider: { name: 'other', namespace: '' } }).allowed).toBe(
      false,
    );
    expect(decide(policy, 'uid=61001').allowed).toBe(true);
    expect(decide(policy, 'uid=61001', { ...provide, service: 'echo' }).allowed).toBe(true);
  });

  it('gives leave for parameters, prefixes, routes and limits', () => {
    const off = { interface: { type: 'kernel', parameters: { source_check: 'off' } } };
    expect(decide(rule(''), 'uid=1', off)).toMatchObject({ allowed: false, rule: 'it' });
    expect(
      decide(
        rule(
          'parameters: source_check=off, prefixes: 10.6.1.1/16, routes: [::/0], limits: { connections: 3 }',
        ),
        'uid=1',
        off,
      ),
    ).toMatchObject({
      allowed: true,
      gives: { prefixes: ['10.6.0.0/16'], routes: ['::/0'] },
      limits: { connections: 3 },
    });
  });

  it('limits a subject whatever it asks for, by the first rule about it that has a limit and no condition', () => {
    const policy = parsePolicy(
      `rules:
  - { name: others, effect: allow, subjects: [{ uid: 3 }], limits: { sockets: 1 } }
  - { name: perhaps, effect: allow, limits: { sockets: 2 }, when: 'subject.uid == 1' }
  - { name: few, effect: allow, subjects: [{ uid: 1 }], services: red, limits: { sockets: 3, connections: 4 } }
  - { name: all, effect: allow, limits: { sockets: 5, streams: 6 } }`,
      'policy.yaml',
    );
    const limits = (uid: string) =>
      (['sockets', 'streams', 'watches'] as const).map(
        (name) => policy.limitOf(parseSubject(uid), name)?.limit,
      );
    expect(limits('uid=1')).toEqual([3, 6, undefined]);
    expect(limits('uid=2')).toEqual([5, 6, undefined]);
  });

  it('labels namespaces by name and inode', () => {
    const policy = parsePolicy(
      `namespaces:
  - { netns: red-*, labels: { tenant: red } }
  - { inode: 5, labels: { tenant: five, tier: front } }
rules: []`,
      'policy.yaml',
    );
    expect(policy.labelsOf('red-1', 4)).toEqual({ tenant: 'red' });
    expect(policy.labelsOf('red-1', 5)).toEqual({ tenant: 'red', tier: 'front' });
    expect(policy.labelsOf('', 5)).toEqual({ tenant: 'five', tier: 'front' });
    expect(policy.labelsOf('', 6)).toEqual({});
  });
});
