// The forwarder is told which prefixes are the cluster's, and connections that may take some of them heed it.
import { compareSoon } from './comparing.js';
import type { SignalComponents } from './components.js';

/** Tells the forwarder; a forwarder that is away is told when it is back. */
export async function tellPrefixes({
  cluster,
  forwarder,
  logger,
}: Pick<SignalComponents, 'cluster' | 'forwarder' | 'logger'>): Promise<void> {
  const prefixes = cluster.current();
  if (!prefixes) return;
  try {
    await forwarder.keepPrefixes({ prefixes });
  } catch (error) {
    logger.warn({ err: error }, "the forwarder has not heard the cluster's prefixes");
  }
}

/** Hears of each change until the manager stops. */
export function watchCluster(components: SignalComponents): void {
  const { cluster, connections, reconciler } = components;
  let known = cluster.current()?.join();
  cluster.onChange(() => {
    const now = cluster.current()?.join();
    if (now === undefined || now === known || components.stopping.aborted) return;
    known = now;
    void tellPrefixes(components).then(() => {
      for (const { id, crossConnect } of connections.values())
        if ([crossConnect.client, crossConnect.endpoint].some((port) => port && port.routes.length > 0))
          void compareSoon(reconciler, id, "the cluster's prefixes have changed");
    });
  });
}
