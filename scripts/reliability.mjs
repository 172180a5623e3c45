// npm run reliability, npm run soak, npm run fuzz: the reliability suites, thoroughly; what they find is written into
// docs/reliability.md. Arguments: parts of the suites' file names, the settings below, and those of npm test.

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
/** What runs when no suite is named. */
const suites = ['failure-matrix', 'kill-points', 'model', 'etcd-cluster', 'properties', 'package'];
/** Files of suites that are elsewhere. What holds of everything that chance makes is tried with fewer examples by npm test. */
const filesOf = {
  packets: ['packets/packets.net.test'],
  package: ['shipping/package.net.test'],
  properties: [
    ...['durable/dist/record-file', 'registry/dist/', 'sdk/dist/read-answer'],
    ...['manager/dist/admission/answer', 'manager/dist/choice/negotiation'],
  ],
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

const isOption = (word) => word.startsWith('-');
const named = rest.filter((word) => !isOption(word));
const files = (named.length > 0 ? named : suites).flatMap(
  (name) => filesOf[name] ?? [`reliability/${name}.net.test`],
);
process.argv = [...process.argv.slice(0, 2), ...files, ...rest.filter(isOption)];
await import('./test.mjs');
