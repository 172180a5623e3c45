// Endpoints of this node whose name an endpoint of another manager has: the mesh hears of them as soon as that one has gone.
import { endpointKey } from '@nsm/registry';
import type { SignalComponents } from './components.js';

/** Listens for as long as the registry tells. */
export function watchDisplacedEndpoints({ self, registry, advertising }: SignalComponents): void {
  registry.watch(({ event }) => {
    if (event.case === 'endpointRemoved') void advertising.register(endpointKey(event.value));
    if (event.case !== 'managerPut' || event.value.alive || event.value.name === self.name) return;
    for (const endpoint of registry.endpoints())
      if (endpoint.networkServiceHost === event.value.name) void advertising.register(endpointKey(endpoint));
  });
}
