// An endpoint that comes may take clients that have lost theirs: they do not wait for their next attempt.

import type { SignalComponents } from './components.js';
import { tryAgainNow } from './losses.js';

/** Listens for as long as the registry tells. */
export function watchNewEndpoints({ connections, registry, reconciler }: SignalComponents): void {
  registry.watch(({ event }) => {
    if (event.case !== 'endpointPut') return;
    for (const { id, service, phase } of connections.healing())
      if (phase.kind === 'LOST' && service === event.value.networkServiceName) tryAgainNow(reconciler, id);
  });
}
