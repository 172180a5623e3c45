// The results for people: a line for each, and what to do where something is wrong.
import type { Output } from '@nsm/output';
import type { Checked, Group, Level } from './check.js';

/** Where each code is explained. */
export const page = 'docs/checks.md';

export function printGroup(output: Output, { title }: Group, checked: readonly Checked[]): void {
  if (checked.length === 0) return;
  output.line(output.paint('bold', title));
  const lines = withoutRepeats(checked);
  lines.forEach(({ codes, titles, level, what, mend }, at) => {
    const told = `${titles.join(', ')}: ${what} ${output.paint('dim', codes.join(' '))}`;
    output.item(`${output.mark(level)} `, told);
    // What mends several lines is said once, after the last of them.
    if (mend !== '' && lines[at + 1]?.mend !== mend)
      output.item(`    ${output.paint('dim', 'what to do:')} `, mend);
  });
  output.line('');
}

export function summaryOf(output: Output, all: readonly Checked[]): string {
  const count = (level: Level): number => all.filter((one) => one.level === level).length;
  const [wrong, warnings, untried] = [count('broken'), count('warning'), count('untried')];
  const parts = [
    count('well') === 1 ? '1 check is well' : `${count('well')} checks are well`,
    ...(warnings > 0 ? [output.paint('yellow', `${warnings} with a warning`)] : []),
    ...(wrong > 0 ? [output.paint('red', `${wrong} broken`)] : []),
    ...(untried > 0 ? [`${untried} not tried`] : []),
  ];
  const more = wrong + warnings > 0 ? `; each code is explained in ${page}` : '';
  return `${parts.join(', ')}${more}`;
}

interface Line extends Pick<Checked, 'level' | 'what' | 'mend'> {
  readonly codes: string[];
  readonly titles: string[];
}

/** What could not be tried for the same reason is one line, with all codes. */
function withoutRepeats(checked: readonly Checked[]): Line[] {
  const lines: Line[] = [];
  for (const { code, title, level, what, mend } of checked) {
    const same =
      level === 'untried' ? lines.find((line) => line.level === level && line.what === what) : undefined;
    if (!same) {
      lines.push({ codes: [code], titles: [title], level, what, mend });
      continue;
    }
    same.codes.push(code);
    same.titles.push(title);
  }
  return lines;
}
