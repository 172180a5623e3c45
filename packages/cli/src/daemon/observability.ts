// What a daemon tells of its work, where that is wanted.
import { LogThrottle } from '@nsm/api';
import { countProcess, Metrics, Traces } from '@nsm/observe';
import type { Logger } from 'pino';
import { ownVersion } from '../own-version.js';

/** @param listen HOST:PORT of the daemon's page; undefined: it has none. @param component such as `manager`. */
export function metricsOf(listen: string | undefined, component: string): Metrics | undefined {
  if (listen === undefined) return undefined;
  const metrics = new Metrics();
  metrics.add(countProcess(component, ownVersion()));
  return metrics;
}

/** Milliseconds for which a process that ends waits for a collector. */
const lastFlushMs = 1000;

/**
 * @param endpoint URL of the collector; undefined: no trace is sent.
 * @param name which of the components it is.
 */
export async function tracesOf(
  endpoint: string | undefined,
  component: string,
  name: string,
  logger: Pick<Logger, 'warn'>,
): Promise<(AsyncDisposable & Pick<Traces, 'record'>) | undefined> {
  if (endpoint === undefined) return undefined;
  const said = new LogThrottle(() => performance.now());
  const onLost = (error: Error): void => {
    if (said.isNews(endpoint, error.message))
      logger.warn({ endpoint, err: error }, 'traces could not be sent, and are lost');
  };
  const traces = await Traces.open({ endpoint, component, name, version: ownVersion(), onLost });
  return {
    record: (course) => traces.record(course),
    [Symbol.asyncDispose]: () => traces.flush(lastFlushMs),
  };
}
