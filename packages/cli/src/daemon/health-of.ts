// A daemon's health, and its metrics, over HTTP, where that is wanted: nothing of it is loaded otherwise.
import type { Metrics } from '@nsm/observe';
import type { Missing } from './health-listener.js';

/** @param listen HOST:PORT; undefined: nowhere. @throws NsmError as `listenHttp` */
export async function healthOf(
  listen: string | undefined,
  missing: Missing,
  metrics: Metrics | undefined,
): Promise<AsyncDisposable | undefined> {
  if (listen === undefined) return undefined;
  const { healthPages, listenHttp, metricsPage } = await import('./health-listener.js');
  return await listenHttp(listen, { ...healthPages(missing), ...(metrics ? metricsPage(metrics) : {}) });
}
