// docs/checks.md has a section for each code, made of the same table as the command. `vitest -u` writes it anew.
import { fileURLToPath } from 'node:url';
import { errorKinds, NsmError } from '@nsm/api/errors';
import { describe, expect, it } from 'vitest';
import { allGroups } from './all-groups.js';
import { groupNames } from './group-names.js';

const page = fileURLToPath(new URL('../../../../../docs/checks.md', import.meta.url));

const introduction = `# Checks

\`nsm check\` looks at a machine and, by its manager, at the mesh: √ well, ! works but look at it, × broken, - not tried, and why. With
\`--pre\` it looks at a machine on which no manager runs yet. Each check has a code, which never changes its meaning; codes from NSM0900
to NSM0999 are those of checks, all others those of [errors](errors.md). \`nsm status\` shows what is wrong under the same codes.

The exit status is 0 when nothing is broken, with warnings or without, 1 when something is, and 3 when only a manager could tell and
none answers. \`--json\` prints every result, \`--junit FILE\` writes them for continuous integration, and \`--only GROUP\` looks at one group
alone. Checks change nothing: what is tried is tried in a network namespace that goes with the command.

`;

describe('docs/checks.md', () => {
  it('has a section for each code', async () => {
    const sections = allGroups.map(
      ({ name, title, entries }) =>
        `## ${name}\n\n${title}.\n\n${entries
          .map(
            ({ code, title: what, neededFor, mend }) =>
              `### ${code}\n\n**${what}** — needed for ${neededFor}.\n\nWhat to do: ${mend}${mend.endsWith('?') ? '' : '.'}\n`,
          )
          .join('\n')}`,
    );
    await expect(`${introduction}${sections.join('\n')}`).toMatchFileSnapshot(page);
  });

  it('has each code once, in the block of checks, and none that an error has', () => {
    const codes = allGroups.flatMap(({ entries }) => entries.map(({ code }) => code));
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.filter((code) => !/^NSM09\d\d$/.test(code))).toEqual([]);
    const errors = new Set(errorKinds.map((kind) => new NsmError(kind, '').code));
    expect(codes.filter((code) => errors.has(code))).toEqual([]);
  });

  it('is about every group that --only takes', () => {
    expect(allGroups.map(({ name }) => name).toSorted()).toEqual([...groupNames].toSorted());
  });
});
