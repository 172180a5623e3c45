// docs/reference/variables.md: every environment variable, those of flags and those that have none.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { variableOf } from '../../packages/cli/dist/index.js';
import { everyCommand, flagsOf } from './commands.mjs';
import { anchorOf, cell, code, page, table } from './markdown.mjs';

/** The page, by its name. */
export function variablePages(program, root) {
  const flags = new Map();
  for (const { path, command } of everyCommand(program))
    for (const option of flagsOf(command)) {
      const variable = variableOf(option);
      const known = flags.get(variable) ?? { long: option.long, paths: [] };
      flags.set(variable, { long: option.long, paths: [...known.paths, path] });
    }
  const others = variablesRead(root, new Set(flags.keys()));
  const byName = ([one], [other]) => (one < other ? -1 : 1);
  const text = page(
    '# Environment variables',
    'A variable without a value is one that is not set. A switch, such as `--json`, is on unless its variable says `0`, `false`, `no` or ' +
      '`off`; a flag that may be repeated takes several values separated by commas.',
    table(
      ['variable', 'flag', 'of'],
      [...flags]
        .toSorted(byName)
        .map(([variable, { long, paths }]) => [code(variable), code(long), whose(paths)]),
    ),
    '## Without a flag',
    table(
      ['variable', 'what'],
      others.map(({ variables, comment }) => [variables.map(code).join(', '), cell(comment)]),
    ),
  );
  return [['variables.md', text]];
}

/** Links to the commands; of many only how many they are. */
function whose(paths) {
  if (paths.length > 6) return `${paths.length} commands`;
  return paths.map((path) => `[${code(path)}](commands.md#${anchorOf(path)})`).join(', ');
}

/** What the packages read by name beside what is `known`, with the comment of the declaration that is the first to read it. */
function variablesRead(root, known) {
  const packages = join(root, 'packages');
  return readdirSync(packages, { recursive: true })
    .filter((file) => /^[^/]+\/src\/.*(?<!\.test)\.ts$/.test(file) && !file.startsWith('testkit/'))
    .toSorted()
    .flatMap((file) => [...readFileSync(join(packages, file), 'utf8').matchAll(documented)])
    .map(([, comment, declaration]) => ({
      comment: comment
        .replace(/\s*\n\s*\*/g, ' ')
        .replace(/@throws.*/, '')
        .trim(),
      variables: [...declaration.matchAll(/\benv\.([A-Z_]+)\b/g)]
        .map(([, name]) => name)
        .filter((name) => !known.has(name) && known.add(name)),
    }))
    .filter(({ variables }) => variables.length > 0);
}

/** A comment, and the exported declaration that follows it up to the next empty line. */
const documented = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport ((?:.+\n)+)/g;
