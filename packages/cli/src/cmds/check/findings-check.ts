// Checks that say what `nsm status` says: both take it from the same findings.
import type { Finding, FindingCode } from '../status/findings.js';
import { type Check, type Outcome, well } from './check.js';

interface WithFindings {
  readonly findings: readonly Finding[];
}

type FindingCheck<Facts> = Omit<Check<Facts>, 'code' | 'judge'> & {
  readonly code: FindingCode;
  /** What is well, where nothing was found; undefined where there is nothing to say. */
  readonly well: (facts: Facts) => string | undefined;
  /** What `nsm status` does not look at. Default: nothing. */
  readonly beyond?: (facts: Facts) => readonly Outcome[];
};

export function findingCheck<Facts extends WithFindings>({
  well: words,
  beyond,
  ...entry
}: FindingCheck<Facts>): Check<Facts> {
  return {
    ...entry,
    judge: (facts) => {
      const found = foundAs(entry.code, facts.findings);
      const more = found.length > 0 ? [] : (beyond?.(facts) ?? []);
      if (found.length + more.length > 0) return [...found, ...more];
      const text = words(facts);
      return text === undefined ? undefined : well(text);
    },
  };
}

/** Findings of a code, as outcomes of its check. */
export function foundAs(code: FindingCode, findings: readonly Finding[]): Outcome[] {
  return findings.filter((finding) => finding.code === code).map(outcomeOf);
}

/** What is under way is well in a moment; who looks is told. */
function outcomeOf({ level, what, toDo }: Finding): Outcome {
  return { level: level === 'broken' ? 'broken' : 'warning', what, mend: toDo };
}
