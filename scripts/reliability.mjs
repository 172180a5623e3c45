// npm run reliability: the reliability suites, thoroughly; they write docs/reliability.md. Arguments are those of npm test,
// such as a part of a file's name, and the settings below.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

/** Flags and the variables that test/src/reliability/config.ts reads. */
const settings = {
  '--repetitions': 'RELIABILITY_REPETITIONS',
};

const rest = [];
const args = process.argv.slice(2);
for (let at = 0; at < args.length; at++) {
  const variable = settings[args[at]];
  if (variable) process.env[variable] = args[++at] ?? '';
  else rest.push(args[at]);
}
process.env.RELIABILITY = 'thorough';

const suites = readdirSync(join(root, 'test/src/reliability'))
  .filter((name) => name.endsWith('.net.test.ts'))
  .map((name) => `reliability/${name.replace('.ts', '')}`);
const named = rest.some((argument) => !argument.startsWith('-'));
process.argv = [...process.argv.slice(0, 2), ...(named ? [] : suites), ...rest];
await import('./test.mjs');
