// A daemon's health over HTTP, where that is wanted: nothing of it is loaded otherwise.
import type { Missing } from './health-listener.js';

/** @param listen HOST:PORT; undefined: nowhere. @throws NsmError as `listenHttp` */
export async function healthOf(
  listen: string | undefined,
  missing: Missing,
): Promise<AsyncDisposable | undefined> {
  if (listen === undefined) return undefined;
  const { healthPages, listenHttp } = await import('./health-listener.js');
  return await listenHttp(listen, healthPages(missing));
}
