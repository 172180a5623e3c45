// What a policy file is refused for, in words and with its place; and that rules decide as their text says.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { actions } from './decision.js';
import { fits } from './glob.js';
import { parsePolicy } from './parse-policy.js';
import { parseSubject, subjectText } from './subject-text.js';

const rule = (fields: string): string => `rules:\n  - name: a\n    effect: allow\n    ${fields}\n`;

describe('a policy file', () => {
  it.each([
    ['', '1:1: the file'],
    ['ruls: []', '1:1: ruls: unknown key (did you mean rules?)'],
    [rule('subjets: []'), '4:5: rules[0].subjets: unknown key (did you mean subjects?)'],
    [rule('subjects: [{ netn: red }]'), '4:18: rules[0].subjects[0].netn: unknown key (did you mean netns?)'],
    [rule('subjects: []'), '4:5: rules[0].subjects: [] is not accepted; accepted: at least one'],
    [rule('uid: 0'), '4:5: rules[0].uid: unknown key'],
    [
      'rules: [{ name: a, effect: alow }]',
      'rules[0].effect: "alow" is not accepted; accepted: allow or deny',
    ],
    ['rules: [{ effect: allow }]', 'rules[0].name is missing'],
    ['rules: [{ name: default, effect: allow }]', 'what decides where no rule fits'],
    [
      'rules: [{ name: a, effect: allow }, { name: a, effect: deny }]',
      '1:39: rules[1].name: "a" is there twice',
    ],
    [rule('interfaces: kernal'), '4:5: rules[0].interfaces[0]: "kernal" is not accepted'],
    [rule('routes: 10.0.0/8'), 'is not accepted; accepted: a prefix of IP'],
    [rule('limits: { conections: 1 }'), '(did you mean connections?)'],
    [rule('subjects: [{ uid: 9-3 }]'), 'a range whose first number is the smaller'],
    [rule('actions: [provide]\n    provided_by: [{ uid: 0 }]'), 'it is about requests'],
    ['rules: [{ name: a, effect: deny, routes: 10.0.0.0/8 }]', 'a rule that denies gives nothing'],
    ['namespaces: [{ labels: { a: b } }]', 'namespaces[0]: name them by netns or inode'],
    ['rules: [*a]', '1:9: *a stands for nothing'],
    ['rules: [', '1:9:'],
  ])('%j is refused: %s', (text, words) => {
    expect(() => parsePolicy(text, 'policy.yaml')).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(words) }),
    );
  });

  it.each([
    ['subject.uid ==', 'cannot be read: at 1:'],
    ['subject.nope == 1', 'has no field "nope" there; fields: netns'],
    ['subject["nope"] == 1', 'has no field "nope"'],
    ['servce == "a"', '"servce" is not known; known: subject'],
    ['true || service + 1 == 2', 'no matching overload'],
    ['true || nofn(1)', 'unbound function'],
    ['subject.uid', 'is neither true nor false'],
    [`service == "${'a'.repeat(1000)}"`, 'has more than 1000 characters'],
    [Array.from({ length: 120 }, () => 'true').join('||'), 'has more than 200 parts'],
    ['subject.labels.all(a, subject.labels.all(b, a == b))', 'within another'],
  ])('the condition %j is refused: %s', (condition, words) => {
    expect(() => parsePolicy(rule(`when: ${JSON.stringify(condition)}`), 'policy.yaml')).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`4:5: rules[0].when: the condition `) }),
    );
    expect(() => parsePolicy(rule(`when: ${JSON.stringify(condition)}`), 'policy.yaml')).toThrow(words);
  });
});

describe('a random policy', () => {
  const name = fc.constantFrom('red', 'blue', 'green');
  const selector = fc.record({ netns: name, uid: fc.integer({ min: 0, max: 2 }) }, { requiredKeys: [] });
  const rules = fc.array(
    fc.record(
      {
        effect: fc.constantFrom('allow', 'deny'),
        actions: fc.subarray([...actions], { minLength: 1 }),
        subjects: fc.array(selector, { minLength: 1, maxLength: 2 }),
        services: fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: ['effect'] },
    ),
    { maxLength: 6 },
  );

  it('decides as its text says, and the same each time', () => {
    fc.assert(
      fc.property(
        rules,
        name,
        fc.integer({ min: 0, max: 2 }),
        fc.constantFrom('a', 'b'),
        (list, netns, uid, service) => {
          const text = JSON.stringify({ rules: list.map((one, index) => ({ ...one, name: `r${index}` })) });
          const policy = parsePolicy(text, 'p');
          const subject = parseSubject(`netns=${netns},uid=${uid}`);
          const first = list.findIndex(
            (one) =>
              (one.actions ?? actions).includes('request') &&
              (one.services ?? ['*']).some((pattern) => pattern === '*' || pattern === service) &&
              (one.subjects ?? [{}]).some(
                (who) => (who.netns ?? netns) === netns && (who.uid ?? uid) === uid,
              ),
          );
          const asked = {
            action: 'request',
            subject,
            service,
            provider: { name: 'x', namespace: '' },
          } as const;
          const decision = policy.decide(asked);
          expect(decision).toMatchObject({
            allowed: list[first]?.effect === 'allow',
            rule: first < 0 ? 'default' : `r${first}`,
          });
          expect(policy.decide(asked)).toEqual(decision);
        },
      ),
    );
  });
});

it('patterns fit as regular expressions would', () => {
  const letter = fc.constantFrom('a', 'b', '*', '?');
  fc.assert(
    fc.property(
      fc.string({ unit: letter, maxLength: 8 }),
      fc.string({ unit: fc.constantFrom('a', 'b') }),
      (pattern, text) => {
        const same = new RegExp(`^${pattern.replace(/\*+/g, '.*').replaceAll('?', '.')}$`);
        expect(fits(pattern, text)).toBe(same.test(text));
      },
    ),
  );
});

it('subjects are written as they are read', () => {
  const text =
    'netns=red,inode=5,uid=0,gid=1,label.a=b,manager=node-a,domain=nsm,namespace=n,service-account=s,pod=p,pod-label.c=d';
  expect(subjectText(parseSubject(text))).toBe(text);
  for (const bad of ['uid=x', 'colour=red', 'red', 'label.=x'])
    expect(() => parseSubject(bad)).toThrow(expect.objectContaining({ kind: 'invalid' }));
});

it('the example is in order, and says what its words say', () => {
  const text = readFileSync(new URL('../../../examples/policy.yaml', import.meta.url), 'utf8');
  const policy = parsePolicy(text, 'policy.yaml');
  const decide = (action: 'provide' | 'request', who: string, service: string, by = 'uid=0') => {
    const known = parseSubject(who);
    const subject = { ...known, labels: policy.labelsOf(known.netns, 0) };
    const provider = { name: 'gw-1', namespace: '' };
    const other = parseSubject(by);
    const providedBy = { ...other, labels: policy.labelsOf(other.netns, 0) };
    return policy.decide({ action, subject, service, provider, providedBy }).rule;
  };
  expect(decide('request', 'netns=red-web,uid=1000', 'secure-gateway')).toBe('everybody-at-the-gateway');
  expect(decide('request', 'netns=red-web,uid=0', 'secure-gateway')).toBe('no-root-at-the-gateway');
  expect(decide('request', 'netns=web,uid=1000', 'secure-gateway')).toBe('default');
  expect(decide('provide', 'netns=gateway-1,uid=0', 'secure-gateway')).toBe('gateways');
  expect(decide('provide', 'netns=red-web,uid=0', 'secure-gateway')).toBe('reserve secure-gateway');
  expect(decide('request', 'netns=red-a,uid=1', 'red-db', 'netns=red-b')).toBe('red-among-themselves');
  expect(decide('request', 'netns=red-a,uid=1', 'red-db', 'netns=blue-b')).toBe('default');
});
