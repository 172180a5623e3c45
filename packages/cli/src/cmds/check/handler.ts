// Runs the groups of checks one after the other, and tells what came of each.
import { writeFileSync } from 'node:fs';
import { Output } from '@nsm/output';
import { exitStatus } from '../../exit-status.js';
import { allGroups } from './all-groups.js';
import type { Checked, Group, Level } from './check.js';
import { CheckContext } from './check-context.js';
import type { CheckFlags } from './flags.js';
import { junitOf } from './junit.js';

export async function runCheck(flags: CheckFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const silent = output.json || flags.junit === '-';
  // Drafts are for a terminal: a file gets no line that is taken back.
  const context = new CheckContext(flags, (text) => {
    if (!silent) output.draft(output.paint('dim', `${text}…`));
  });
  const all: Checked[] = [];
  for (const group of chosen(flags)) {
    const checked = await group.run(context);
    all.push(...checked);
    if (!silent) printGroup(output, group, checked);
  }
  if (all.some(({ level }) => level === 'broken')) process.exitCode = exitStatus.failed;
  if (output.json) output.value(jsonOf(all));
  else if (!silent) output.line(summaryOf(output, all));
  if (flags.junit === '-') output.lines(junitOf(all));
  else if (flags.junit !== undefined) writeFileSync(flags.junit, junitOf(all));
}

function chosen({ only, pre }: CheckFlags): readonly Group[] {
  return allGroups.filter(
    ({ name, needsManager }) => (only.length === 0 || only.includes(name)) && !(pre && needsManager),
  );
}

function printGroup(output: Output, { title }: Group, checked: readonly Checked[]): void {
  if (checked.length === 0) return;
  output.line(output.paint('bold', title));
  for (const { code, level, what, mend } of withoutRepeats(checked)) {
    output.line(`${output.mark(level)} ${what} ${output.paint('dim', code)}`);
    if (mend !== '') output.line(`    ${output.paint('dim', 'what to do:')} ${mend}`);
  }
  output.line('');
}

/** Where nothing of a group could be tried, the reason is the same for all. */
function withoutRepeats(checked: readonly Checked[]): readonly Checked[] {
  const [first] = checked;
  const same = first?.level === 'untried' && checked.every(({ what }) => what === first.what);
  return same && first ? [{ ...first, what: `not tried: ${first.what}` }] : checked;
}

function summaryOf(output: Output, all: readonly Checked[]): string {
  const count = (level: Level): number => all.filter((one) => one.level === level).length;
  const [wrong, warnings, untried] = [count('broken'), count('warning'), count('untried')];
  const parts = [
    `${count('well')} checks are well`,
    ...(warnings > 0 ? [output.paint('yellow', `${warnings} with a warning`)] : []),
    ...(wrong > 0 ? [output.paint('red', `${wrong} broken`)] : []),
    ...(untried > 0 ? [`${untried} not tried`] : []),
  ];
  const more = wrong + warnings > 0 ? `; each code is explained in ${page}` : '';
  return `${parts.join(', ')}${more}`;
}

/** Where each code is explained. */
const page = 'docs/checks.md';

function jsonOf(all: readonly Checked[]): object {
  const levels: readonly Level[] = ['well', 'warning', 'broken', 'untried'];
  const counts = levels.map((level) => [level, all.filter((one) => one.level === level).length]);
  return {
    well: all.every(({ level }) => level !== 'broken'),
    counts: Object.fromEntries(counts),
    checks: all.map((one) => ({ ...one, page: `${page}#${one.code.toLowerCase()}` })),
  };
}
