// A policy file, whatever is in it, is read whole or refused with its place: it neither hangs the manager nor ends it.
import { NsmError } from '@nsm/api';
import { parseSubject } from '@nsm/policy';
import { parsePolicy } from '@nsm/policy/parse';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const numRuns = process.env.SECURITY === 'thorough' ? 20_000 : 300;

describe('a policy file', () => {
  it('of any text is read, or refused with a place', () => {
    const words = [
      'rules',
      'reserve',
      'name',
      'effect',
      'allow',
      ':',
      '- ',
      '\n',
      '  ',
      '{',
      '}',
      '[',
      ']',
      '*',
      '&a',
      '!!',
      '"',
      '|',
      ',',
    ];
    const text = fc.oneof(
      fc.string(),
      fc
        .array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 })))
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (one) => {
        try {
          parsePolicy(one, 'p');
        } catch (error) {
          expect(error).toBeInstanceOf(NsmError);
          expect((error as NsmError).kind).toBe('invalid');
          expect((error as NsmError).message).toMatch(/^p:\d+:\d+: /);
        }
      }),
      { numRuns },
    );
  });

  it('with any condition is read, or refused with a place, and decides', () => {
    const parts = [
      'subject',
      '.uid',
      '.labels',
      '.a',
      'service',
      '==',
      '&&',
      '!',
      '(',
      ')',
      '"x"',
      '1',
      '+',
      ' in ',
      '[',
      ']',
      '.exists(k, k == "a")',
      '?',
      ':',
      'has(',
    ];
    const subject = parseSubject('uid=1,label.a=x');
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 12 }), (chosen) => {
        let policy: ReturnType<typeof parsePolicy>;
        try {
          policy = parsePolicy(
            `rules: [{ name: a, effect: allow, when: ${JSON.stringify(chosen.join(''))} }]`,
            'p',
          );
        } catch (error) {
          expect((error as NsmError).message).toMatch(/^p:1:\d+: rules\[0\]\.when: /);
          return;
        }
        const provider = { name: 'a', namespace: '' };
        expect(typeof policy.decide({ action: 'request', subject, service: 'x', provider }).allowed).toBe(
          'boolean',
        );
      }),
      { numRuns },
    );
  });
});
