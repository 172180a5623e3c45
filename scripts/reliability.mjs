// npm run reliability, npm run soak, npm run fuzz: the reliability suites, thoroughly; what they find is written into
// docs/reliability.md. Arguments: names of suites, the settings below, then options of npm test.
import { patternsOf, suites } from './reliability-suites.mjs';

/** Flags and the variables that test/src/reliability/config.ts reads. */
const settings = {
  '--repetitions': 'RELIABILITY_REPETITIONS',
  '--kill-points': 'RELIABILITY_KILL_POINTS',
  '--runs': 'RELIABILITY_RUNS',
  '--seed': 'RELIABILITY_SEED',
  '--length': 'RELIABILITY_LENGTH',
  '--minutes': 'SOAK_MINUTES',
  '--inputs': 'FUZZ_INPUTS',
};
const rest = [];
const args = process.argv.slice(2);
while (args.length > 0) {
  const word = args.shift();
  const variable = settings[word];
  if (variable) process.env[variable] = args.shift() ?? '';
  else rest.push(word);
}
process.env.RELIABILITY = 'thorough';

// The names of suites come first: after them are options of npm test, with their values.
const option = rest.findIndex((word) => word.startsWith('-'));
const named = option < 0 ? rest : rest.slice(0, option);
const files = (named.length > 0 ? named : suites).flatMap(patternsOf);
process.argv = [...process.argv.slice(0, 2), ...files, ...rest.slice(named.length)];
await import('./test.mjs');
