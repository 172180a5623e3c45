// Metrics as they are declared: one literal for each package, which its code and its documentation are made of.
import type { Counter, Gauge, Histogram } from 'prom-client';

interface Declared {
  /** `nsm_<part>_<what>_<unit>`, https://prometheus.io/docs/practices/naming/. */
  readonly name: string;
  /** One sentence for people. */
  readonly help: string;
  /** Names of labels, each of which has few values: nothing that a pod may choose without end. Default: none. */
  readonly labels?: readonly string[];
}

export type MetricLiteral = Declared &
  (
    | { readonly type: 'counter' | 'gauge' }
    | {
        readonly type: 'histogram';
        readonly buckets: keyof typeof bucketsOf;
      }
  );

export type MetricLiterals = Readonly<Record<string, MetricLiteral>>;

type LabelOf<M extends MetricLiteral> = M extends { readonly labels: readonly (infer L extends string)[] }
  ? L
  : never;

/** By which a metric is counted. */
export type Meter<M extends MetricLiteral> = M['type'] extends 'counter'
  ? Counter<LabelOf<M>>
  : M['type'] extends 'gauge'
    ? Gauge<LabelOf<M>>
    : Histogram<LabelOf<M>>;

export type Meters<S extends MetricLiterals> = { readonly [K in keyof S]: Meter<S[K]> };

/** Upper bounds in seconds: of what one node does at once, of whole orders, and of heals, which may wait for an endpoint. */
export const bucketsOf = {
  steps: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
  orders: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
  heals: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300],
} as const;
