// docs/reference/metrics.md: every metric, from the literals that the daemons count by.
import { allMetrics } from '../../packages/cli/dist/daemon/all-metrics.js';
import { bucketsOf } from '../../packages/observe/dist/index.js';
import { cell, code, page, table } from './markdown.mjs';

/** The page, by its name. */
export function metricPages() {
  const text = page(
    '# Metrics',
    'Where `--metrics-listen HOST:PORT` of a daemon says, `GET /metrics` answers in the format of Prometheus. Without the flag nothing is ' +
      'counted. Of a label that pods could give ever new values only so many are told apart; the rest are counted as `all others`.',
    ...Object.entries(allMetrics).map(([daemon, literals]) => {
      const metrics = Object.values(literals).toSorted((one, other) => (one.name < other.name ? -1 : 1));
      return page(
        daemon.startsWith('nsm ') ? `## ${daemon}` : `## ${daemon[0].toUpperCase()}${daemon.slice(1)}`,
        table(
          ['metric', 'type', 'labels', 'what'],
          metrics.map(({ name, type, labels = [], help }) => [
            code(name),
            type,
            labels.map(code).join(', '),
            cell(help),
          ]),
        ),
      ).trimEnd();
    }),
    '## Buckets of histograms',
    'Upper bounds in seconds.',
    table(
      ['of', 'bounds'],
      Object.entries(bucketsOf).map(([name, bounds]) => [name, bounds.join(', ')]),
    ),
  );
  return [['metrics.md', text]];
}
