// The steps of an order that is tried again and again, each kind of attempt told once. Pure.
import type { StepView } from '@nsm/views/connection-view';

export interface Attempt {
  /** Those of the last of the attempts. */
  readonly steps: readonly StepView[];
  /** How many of them went alike, one after the other. */
  readonly times: number;
}

/** Attempts that end alike, with a step that failed, are one; what comes before and between them stays as it is. */
export function attemptsOf(steps: readonly StepView[]): Attempt[] {
  const signs = steps.map(({ name, manager, error }) => `${name}\n${manager}\n${error !== ''}`);
  const attempts: Attempt[] = [];
  let at = 0;
  while (at < steps.length) {
    const { length, times } = repeatAt(signs, at);
    const end = at + length * times;
    attempts.push({ steps: steps.slice(end - length, end), times });
    at = end;
  }
  return attempts;
}

/** The shortest row of steps with a failed one that comes again at once. */
function repeatAt(signs: readonly string[], at: number): { readonly length: number; readonly times: number } {
  for (let length = 1; at + 2 * length <= signs.length; length++) {
    const row = signs.slice(at, at + length);
    if (!row.some((sign) => sign.endsWith('true'))) continue;
    let times = 1;
    while (row.every((sign, index) => signs[at + times * length + index] === sign)) times++;
    if (times > 1) return { length, times };
  }
  return { length: 1, times: 1 };
}
