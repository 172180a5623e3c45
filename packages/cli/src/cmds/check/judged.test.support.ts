// What a check says of facts, for tests.
import type { Check, Outcome } from './check.js';

/** The outcomes of the check of that code; none where it says nothing. @throws Error where no check has the code */
export function judged<Facts>(
  checks: readonly Check<Facts>[],
  code: string,
  facts: Facts,
): readonly Outcome[] {
  const check = checks.find((one) => one.code === code);
  if (!check) throw new Error(`no check has code ${code}`);
  const outcome = check.judge(facts);
  if (outcome === undefined) return [];
  return Array.isArray(outcome) ? (outcome as readonly Outcome[]) : [outcome as Outcome];
}
