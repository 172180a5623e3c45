// The flags of the benchmark, and how much each of its two lengths measures.
import { parseArgs } from 'node:util';

export interface Options {
  readonly json: boolean;
  readonly quick: boolean;
  /** Folder for CPU profiles of the managers; undefined: none are taken. */
  readonly profile: string | undefined;
  readonly only: ReadonlySet<Part>;
  /** Parts were named. A cluster is nobody's by chance: what is on one is measured only then. */
  readonly named: boolean;
  readonly plan: Plan;
}

export const parts = [
  'requests',
  'burst',
  'dataplane',
  'tunnels',
  'memory',
  'scale',
  'footprint',
  'policy',
  'observe',
  'registry',
  'kubernetes',
] as const;
export type Part = (typeof parts)[number];

/** How much is measured. */
export interface Plan {
  /** Client pods that open and close connections in a round, one each. */
  readonly pods: number;
  /** Connections of each kind that are opened and closed before anything is measured: V8 compiles until then. */
  readonly warmUp: number;
  /** Rounds of one connection per pod, for every kind and number in flight. */
  readonly rounds: number;
  readonly inFlight: readonly number[];
  /** Connections closed all at once, each of a pod of its own, and how often. */
  readonly burst: number;
  readonly burstRounds: number;
  /** Pairs of measurements of throughput, seconds each, and of round trips, packets each. */
  readonly streamRounds: number;
  readonly streamSeconds: number;
  /** The same by kind of tunnel: three paths each. */
  readonly tunnelRounds: number;
  readonly pings: number;
  /** Connections held while memory is measured. */
  readonly held: number;
  /** Connections held at the end of the measurement of growth; a multiple of 250. */
  readonly scale: number;
  /** Times that each command is started. */
  readonly footprintRounds: number;
  /** Managers and endpoints that a registry has, and endpoints that are advertised then. */
  readonly followers: number;
  readonly records: number;
  readonly advertisements: number;
  /** Edits of a pod's annotation, and pods of each mode that are made. */
  readonly edits: number;
  readonly createdPods: number;
}

const full: Plan = {
  pods: 64,
  warmUp: 600,
  rounds: 5,
  inFlight: [1, 8, 32],
  burst: 300,
  burstRounds: 3,
  streamRounds: 15,
  streamSeconds: 1,
  tunnelRounds: 9,
  pings: 30_000,
  held: 500,
  scale: 2000,
  footprintRounds: 5,
  followers: 1000,
  records: 10_000,
  advertisements: 100,
  edits: 50,
  createdPods: 10,
};

const quick: Plan = {
  ...full,
  pods: 32,
  warmUp: 300,
  rounds: 2,
  burstRounds: 1,
  streamRounds: 5,
  tunnelRounds: 5,
  pings: 10_000,
  scale: 1000,
  followers: 200,
  footprintRounds: 3,
  advertisements: 30,
  edits: 20,
  createdPods: 4,
};

export const usage: string = `npm run bench -- [--quick] [--json] [--only ${parts.join('|')}]… [--profile DIR]`;

/** @throws Error for flags that do not exist. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      profile: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  const unknown = values.only.find((name) => !parts.some((part) => part === name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is ${parts.join(', ')}`);
  const chosen = parts.filter((part) => values.only.length === 0 || values.only.includes(part));
  return {
    json: values.json,
    quick: values.quick,
    profile: values.profile,
    only: new Set(chosen),
    named: values.only.length > 0,
    plan: values.quick ? quick : full,
  };
}
