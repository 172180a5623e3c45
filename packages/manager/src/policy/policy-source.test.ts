// A policy file that changes while the manager runs, in every way: the new policy is taken on whole, or not at all.
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSubject } from '@nsm/policy';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PolicyFile } from './policy-origin.js';
import { PolicySource } from './policy-source.js';

const numRuns = process.env.SECURITY === 'thorough' ? 5000 : 100;
const first = 'rules: [{ name: first, effect: allow }]\n';
/** Of which pieces are cut out, repeated and changed. */
const whole = `reserve: { secure: [{ uid: 0 }] }
rules:
  - name: red
    effect: allow
    actions: request
    subjects: [{ netns: red, uid: 61001 }, { labels: { team: blue } }]
    services: [secure, "p*"]
    when: subject.uid == 61001 && service.startsWith("p")
    limits: { connections: 7 }
  - { name: rest, effect: deny }
`;

describe('a policy file', () => {
  let folder: string;
  let file: string;
  let source: PolicySource;
  let looks = 0;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-policy-'));
    file = join(folder, 'policy.yaml');
    writeFileSync(file, first);
    source = new PolicySource(new PolicyFile(file), {
      logger: { info: () => undefined, error: () => undefined },
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await source.start();
    source.onChange(() => looks++);
  });
  afterEach(() => {
    source.stop();
    vi.useRealTimers();
    rmSync(folder, { recursive: true });
  });

  const put = (text: string): void => {
    writeFileSync(`${file}.new`, text, { mode: 0o644 });
    renameSync(`${file}.new`, file);
  };
  const look = async (): Promise<void> => {
    const before = looks;
    vi.advanceTimersByTime(500);
    await vi.waitFor(() => expect(looks).toBe(before + 1), { interval: 1, timeout: 5000 });
    await Promise.resolve();
  };
  const deciding = (): string => {
    const subject = parseSubject('netns=red,uid=61001');
    const provider = { name: 'a', namespace: '' };
    return source.policy?.decide({ action: 'request', subject, service: 'plain', provider }).rule ?? '';
  };

  it('is what the manager starts with', () => {
    expect([source.inForce.text, deciding()]).toEqual([first, 'first']);
  });

  it.each<[what: string, change: () => void]>([
    ['not there', () => unlinkSync(file)],
    ['a folder', () => [unlinkSync(file), mkdirSync(file)]],
    ['open to everybody', () => chmodSync(file, 0o666)],
    ['larger than any policy', () => put(`${first}#${'x'.repeat(4 << 20)}`)],
    ['half written', () => put(whole.slice(0, whole.indexOf('startsWith')))],
  ])('that is %s leaves the former one in force', async (_what, change) => {
    change();
    await look();
    expect(source.error).not.toBe('');
    expect([source.inForce.text, deciding()]).toEqual([first, 'first']);
    rmSync(file, { recursive: true, force: true });
    put(whole);
    await look();
    expect([source.error, source.inForce.text, deciding()]).toEqual(['', whole, 'red']);
  });

  it('that is damaged anyhow is taken on whole, or not at all', { timeout: 600_000 }, async () => {
    const edit = fc.record({
      at: fc.nat(whole.length),
      length: fc.nat(40),
      by: fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('', '\n', '*', '&a', '- ', '}', '!!x', '\0')),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        let text = whole;
        for (const { at, length, by } of edits) text = text.slice(0, at) + by + text.slice(at + length);
        const former = { policy: source.policy, text: source.inForce.text };
        put(text);
        await look();
        if (source.error === '') {
          expect(source.inForce.text).toBe(text);
          expect(source.policy).not.toBe(former.policy);
        } else {
          expect(source.inForce.text).toBe(former.text);
          expect(source.policy).toBe(former.policy);
        }
        // The policy decides, and does not throw.
        expect(typeof deciding()).toBe('string');
      }),
      { numRuns },
    );
  });
});
