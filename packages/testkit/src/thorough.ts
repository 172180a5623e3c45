// How much the suites try: in `npm test` what it has time for, and all of it with RELIABILITY=thorough.

/** Everything is tried: whole products instead of pairs, thousands instead of hundreds, and the real pauses. */
export const thorough: boolean = process.env.RELIABILITY === 'thorough';

/** Of a whole product: all of it thoroughly, else those of them that are named. @param quick whether `npm test` has it, too. */
export function tried<Case>(
  cases: readonly Case[],
  quick: (one: Case, index: number) => boolean,
): readonly Case[] {
  return thorough ? cases : cases.filter(quick);
}
