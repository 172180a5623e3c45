// An underlay address that has left the node takes the tunnels that begin at it along: whatever is sent to them goes nowhere.
import { NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { policy } from '../connection/policy.js';
import { type Connection, isClosed, isDetached } from '../state/connection.js';
import type { SignalComponents } from './components.js';
import { lose } from './losses.js';

/** Looks now, whenever the underlay changes, and now and then, until the manager stops. */
export async function watchOwnAddresses(components: SignalComponents): Promise<void> {
  const { stopping, clock, underlayListeners, logger } = components;
  let wake = new AbortController();
  underlayListeners.add(() => wake.abort());
  while (!stopping.aborted) {
    wake = new AbortController();
    try {
      if ((await homeless(components)).length > 0) {
        // An address may be away for a moment: an uplink moves, a lease is renewed.
        await clock.sleep(policy.addressAwayMs, stopping);
        for (const connection of await homeless(components))
          lose(
            components.reconciler,
            connection,
            'underlay',
            `${connection.crossConnect.tunnel?.local}, from which its tunnel went, has left node "${components.self.name}"`,
          );
      }
    } catch (error) {
      // A forwarder that is away tells of the underlay when it is back.
      if (!stopping.aborted && NsmError.from(error).kind !== 'unavailable')
        logger.warn({ err: error }, 'the addresses of this node were not read');
    }
    await clock.sleep(policy.compareRoundMs, AbortSignal.any([wake.signal, stopping]));
  }
}

/** Connections whose tunnel begins at an address that the node does not have. */
async function homeless({
  forwarder,
  self,
  connections,
}: Pick<SignalComponents, 'forwarder' | 'self' | 'connections'>): Promise<Connection[]> {
  const tunnelled = [...connections.values()].filter(
    (connection) =>
      !isClosed(connection) && !isDetached(connection.phase) && connection.crossConnect.tunnel?.local,
  );
  if (tunnelled.length === 0) return [];
  const { namespace } = await forwarder.inspectNamespace({ linuxNamespace: String(self.namespaceInode) });
  // A forwarder in another namespace has its own addresses.
  if (!namespace?.node) return [];
  const addresses = new Set(namespace.addresses);
  return tunnelled.filter(({ crossConnect: { tunnel } }) => {
    const local = tunnel?.local ?? '';
    return !addresses.has(IpPrefix.parseAddress(local)?.address ?? local);
  });
}
