// What a check is: facts are read once for a whole group, and each check of the group is a pure judgement of them.
import { NsmError } from '@nsm/api';
import type { CheckContext } from './check-context.js';
import type { GroupName } from './group-names.js';

/** well: √. warning: it works, but look at it. broken: packets or requests fail, or will. untried: not known, and why. */
export type Level = 'well' | 'warning' | 'broken' | 'untried';

export interface Outcome {
  readonly level: Level;
  readonly what: string;
  /** The command that mends it, or what to change. Default: that of the check. */
  readonly mend?: string;
}

export interface Check<Facts> {
  /** NSM0900 to NSM0999: checks. The codes of failed calls (packages/api) are all below and above these. */
  readonly code: string;
  /** What is looked at, such as `underlay MTU`. */
  readonly title: string;
  /** Ends the sentence "It is needed for …". */
  readonly neededFor: string;
  /** What to do in general; docs/checks.md has it. */
  readonly mend: string;
  /** One outcome, or several of equal rank; undefined or none where the check says nothing about this machine. */
  judge(facts: Facts): Outcome | readonly Outcome[] | undefined;
}

/** An outcome, and of which check. */
export interface Checked extends Outcome {
  readonly code: string;
  readonly group: string;
  readonly title: string;
  /** '' where nothing is to be mended. */
  readonly mend: string;
}

export type CheckEntry = Omit<Check<never>, 'judge'>;

/** Checks that judge the same facts. */
export interface Group {
  readonly name: GroupName;
  /** One line for people. */
  readonly title: string;
  /** Before the first manager of this machine is started (`--pre`) there is nothing to look at. */
  readonly needsManager: boolean;
  readonly entries: readonly CheckEntry[];
  run(context: CheckContext): Promise<readonly Checked[]>;
}

interface GroupSpec<Facts> {
  readonly name: GroupName;
  readonly title: string;
  readonly needsManager?: boolean;
  /** @returns undefined where the group says nothing about this machine. */
  read(context: CheckContext): Promise<Facts | undefined>;
  readonly checks: readonly Check<Facts>[];
}

export function group<Facts>({ name, title, needsManager = false, read, checks }: GroupSpec<Facts>): Group {
  return {
    name,
    title,
    needsManager,
    entries: checks,
    async run(context) {
      let facts: Facts | undefined;
      try {
        facts = await read(context);
      } catch (thrown) {
        const why = NsmError.from(thrown).message;
        return checks.map((check) => ({ ...told(name, check, untried(why)) }));
      }
      if (facts === undefined) return [];
      const present = facts;
      return checks.flatMap((check) => {
        const outcome = check.judge(present);
        if (outcome === undefined) return [];
        const outcomes = Array.isArray(outcome) ? (outcome as readonly Outcome[]) : [outcome as Outcome];
        return outcomes.map((one) => told(name, check, one));
      });
    },
  };
}

function told(group: string, { code, title, mend }: CheckEntry, outcome: Outcome): Checked {
  const { level, what } = outcome;
  const needsMend = level === 'warning' || level === 'broken';
  return { code, group, title, level, what, mend: needsMend ? (outcome.mend ?? mend) : '' };
}

export const well = (what: string): Outcome => ({ level: 'well', what });
export const untried = (what: string): Outcome => ({ level: 'untried', what });
export const warning = (what: string, mend?: string): Outcome => outcome('warning', what, mend);
export const broken = (what: string, mend?: string): Outcome => outcome('broken', what, mend);

/** What is wrong, each by itself; where nothing is, the fact that was found. */
export const orWell = (wrong: readonly Outcome[], fact: string): readonly Outcome[] =>
  wrong.length > 0 ? wrong : [well(fact)];

function outcome(level: Level, what: string, mend: string | undefined): Outcome {
  return { level, what, ...(mend === undefined ? {} : { mend }) };
}
