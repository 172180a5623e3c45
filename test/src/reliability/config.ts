// How much the reliability suites do: a little in `npm test`, as much as asked for in `npm run reliability` and its like.
// The scripts in /scripts set these variables from their flags.
const number = (name: string, byDefault: number): number => {
  const text = process.env[name];
  if (text === undefined || text === '') return byDefault;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`${name}=${text}: a whole number is wanted`);
  return value;
};

/** Everything is tried, with patience, and `docs/reliability.md` is written. Otherwise: what `npm test` has time for. */
export const thorough: boolean = process.env.RELIABILITY === 'thorough';
/** Times each failure of the matrix is tried. */
export const repetitions: number = number('RELIABILITY_REPETITIONS', thorough ? 3 : 1);
/** Points that are tried of each path. */
export const killPointsTried: number = number(
  'RELIABILITY_KILL_POINTS',
  thorough ? Number.MAX_SAFE_INTEGER : 1,
);
/** Random sequences of the model-based test; the seed of the first, each further one has the next. */
export const modelRuns: number = number('RELIABILITY_RUNS', thorough ? 20 : 1);
export const firstSeed: number = number('RELIABILITY_SEED', thorough ? Date.now() % 1_000_000_000 : 1);
/** Events of a sequence at most. */
export const modelLength: number = number('RELIABILITY_LENGTH', thorough ? 40 : 25);
/** Inputs of the fuzz test, and the seed of the first. */
export const fuzzInputs: number = number('FUZZ_INPUTS', 400);
export const fuzzSeed: number = firstSeed;
/** Length of the soak, which `npm test` leaves out, and the seed of its churn. */
export const soakMinutes: number = Number(process.env.SOAK_MINUTES || 10);
export const soakSeed: number = firstSeed;
