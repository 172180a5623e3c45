// An endpoint that comes may take clients that have lost theirs: they do not wait for their next attempt.

import type { SignalComponents } from './components.js';
import { tryAgainNow } from './losses.js';

/** Listens to the registry until the returned object is disposed of. */
export function watchNewEndpoints({ connections, registry, reconciler }: SignalComponents): Disposable {
  return registry.watch(({ event }) => {
    if (event.case !== 'endpointPut') return;
    for (const { id, service, phase } of connections.healing())
      if (phase.kind === 'LOST' && service === event.value.networkServiceName) tryAgainNow(reconciler, id);
  });
}
