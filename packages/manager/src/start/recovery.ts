// What a manager does first: it loads what it knew of its connections, and then looks at what became of them.

import { removeOrphanedInterfaces } from '../connection/orphaned-interfaces.js';
import type { RequestComponents } from '../request/components.js';
import { compareSoon } from '../signals/comparing.js';
import type { SignalComponents } from '../signals/components.js';
import { isClosed, isInPlace } from '../state/connection.js';
import { holderOf } from '../state/holder.js';
import type { Store } from '../state/store.js';

/** From now on the table, the pools and the tunnel identifiers are those of the life before. */
export function load(
  {
    pools,
    identifiers,
    connections,
    shares,
  }: Pick<RequestComponents, 'pools' | 'identifiers' | 'connections' | 'shares'>,
  store: Store,
): void {
  for (const connection of store.connections()) {
    const { pairs, tunnel } = connection;
    for (const { prefix } of pairs) pools.restore(prefix, shares.hold('addressPairs', holderOf(connection)));
    if (tunnel) identifiers.take(tunnel.identifier);
    connections.restore(connection);
  }
}

type RecoveryComponents = Pick<RequestComponents, 'owners'> &
  Pick<SignalComponents, 'self' | 'reconciler' | 'advertising' | 'connections' | 'forwarder' | 'logger'>;

/**
 * Every connection is looked at. Packets of those that are intact keep flowing meanwhile: nothing of theirs is touched.
 * Resolves when those that had been up are what their records say; what is to be made anew or has to answer first takes longer.
 * @throws NsmError when the kernel cannot be looked at: better not to start than to take down what is intact.
 */
export async function resume(components: RecoveryComponents, store: Store): Promise<void> {
  const { reconciler, advertising, owners, connections } = components;
  await advertising.restore();
  const found = await removeOrphanedInterfaces(components);
  const compared: (Promise<void> | undefined)[] = [];
  for (const connection of [...connections.values()]) {
    const { id } = connection;
    if (!isClosed(connection)) owners.hold(connection);
    const inPlace = isInPlace(connection);
    if (store.doubtful && inPlace && !found.has(id))
      reconciler.end(id, 'its record is doubtful, and the kernel has nothing of it');
    else if (inPlace) compared.push(compareSoon(reconciler, id, 'not found again after a restart'));
    else void reconciler.mark(id, () => undefined);
  }
  await Promise.all(compared);
}
