// Runs the groups of checks one after the other, and tells what came of each.
import { writeFileSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { exitStatus } from '../../exit-status.js';
import { allGroups } from './all-groups.js';
import type { Checked, Group, Level } from './check.js';
import { CheckContext } from './check-context.js';
import type { CheckFlags } from './flags.js';
import { junitOf } from './junit.js';
import { page, printGroup, summaryOf } from './report.js';

export async function runCheck(flags: CheckFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const silent = output.json || flags.junit === '-';
  // Drafts are for a terminal: a file gets no line that is taken back.
  const context = new CheckContext(flags, (text) => {
    if (!silent) output.draft(output.paint('dim', `${text}…`));
  });
  const all: Checked[] = [];
  const groups = chosen(flags);
  for (const group of groups) {
    const checked = await group.run(context);
    all.push(...checked);
    if (!silent) printGroup(output, group, checked);
  }
  process.exitCode = await statusOf(all, groups, context);
  if (output.json) output.value(jsonOf(all));
  else if (!silent) output.line(summaryOf(output, all));
  if (flags.junit === '-') output.lines(junitOf(all));
  else if (flags.junit !== undefined) writeFileSync(flags.junit, junitOf(all));
}

/** That nothing is broken of what could not be looked at is no success. */
async function statusOf(
  all: readonly Checked[],
  groups: readonly Group[],
  context: CheckContext,
): Promise<number> {
  if (all.some(({ level }) => level === 'broken')) return exitStatus.failed;
  const asked = groups.some(({ needsManager }) => needsManager);
  return asked && !(await context.managerIfAny()) ? exitStatus.unreachable : exitStatus.ok;
}

/** @throws NsmError `invalid` for a group by name that --pre leaves out: that nothing was looked at is no success. */
function chosen({ only, pre }: CheckFlags): readonly Group[] {
  const named = allGroups.filter(({ name }) => only.length === 0 || only.includes(name));
  const [left] = pre ? named.filter(({ needsManager }) => needsManager) : [];
  if (left && only.length > 0)
    throw new NsmError(
      'invalid',
      `checks of "${left.name}" ask a manager, which --pre does without: leave out --pre`,
    );
  return named.filter(({ needsManager }) => !(pre && needsManager));
}

function jsonOf(all: readonly Checked[]): object {
  const levels: readonly Level[] = ['well', 'warning', 'broken', 'untried'];
  const counts = levels.map((level) => [level, all.filter((one) => one.level === level).length]);
  return {
    well: all.every(({ level }) => level !== 'broken'),
    counts: Object.fromEntries(counts),
    checks: all.map((one) => ({ ...one, page: `${page}#${one.code.toLowerCase()}` })),
  };
}
