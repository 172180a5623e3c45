// How many connections the endpoints of this node have is told to the registry now and then, for operators: never for each connection.
import { NsmError } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import type { SignalComponents } from './components.js';

/** Milliseconds between two reports; a third more or less by chance. */
const periodMs = 15_000;

export type LoadComponents = Pick<
  SignalComponents,
  'self' | 'registry' | 'connections' | 'clock' | 'logger' | 'stopping'
>;

/** Tells loads until the manager stops, where the registry takes them. */
export async function keepTellingLoads(components: LoadComponents): Promise<void> {
  const { self, registry, connections, clock, logger, stopping } = components;
  if (!registry.tellLoads) return;
  let isRefused = false;
  for (;;) {
    await clock.sleep(periodMs * (2 / 3 + (clock.random() * 2) / 3), stopping);
    if (stopping.aborted) return;
    if (!registry.synced) continue;
    const own = [...registry.endpoints()].filter(
      ({ networkServiceHost }) => networkServiceHost === self.name,
    );
    const loads = new Map(own.map((endpoint) => [endpointKey(endpoint), connections.countOf(endpoint)]));
    try {
      await registry.tellLoads(loads);
      isRefused = false;
    } catch (error) {
      if (!isRefused)
        logger.warn({ err: NsmError.from(error) }, 'the registry does not take the loads of endpoints');
      isRefused = true;
    }
  }
}
