// The results as JUnit XML, as continuous integration reads it: a suite for each group, a case for each outcome.
import type { Checked } from './check.js';

export function junitOf(all: readonly Checked[]): string {
  const groups = [...new Set(all.map(({ group }) => group))];
  const suites = groups.map((group) =>
    suite(
      group,
      all.filter((one) => one.group === group),
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="nsm check" ${counts(all)}>\n${suites.join('')}</testsuites>\n`;
}

function suite(name: string, checked: readonly Checked[]): string {
  return `  <testsuite name="${xml(name)}" ${counts(checked)}>\n${checked.map(testcase).join('')}  </testsuite>\n`;
}

function counts(checked: readonly Checked[]): string {
  const count = (level: Checked['level']): number => checked.filter((one) => one.level === level).length;
  return `tests="${checked.length}" failures="${count('broken')}" skipped="${count('untried')}"`;
}

function testcase({ code, group, title, level, what, mend }: Checked): string {
  const open = `    <testcase classname="nsm.${xml(group)}" name="${xml(`${code} ${title}`)}">`;
  const told = xml(mend === '' ? what : `${what}\nwhat to do: ${mend}`);
  switch (level) {
    case 'broken':
      return `${open}\n      <failure type="${code}" message="${xml(what)}">${told}</failure>\n    </testcase>\n`;
    case 'untried':
      return `${open}\n      <skipped message="${xml(what)}"/>\n    </testcase>\n`;
    case 'warning':
    case 'well':
      return `${open}\n      <system-out>${told}</system-out>\n    </testcase>\n`;
  }
}

/** Characters that XML 1.0 cannot have at all are left out (section 2.2). */
function xml(text: string): string {
  const allowed = text.replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '');
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return allowed.replace(/[&<>"]/g, (character) => names[character] ?? '');
}
