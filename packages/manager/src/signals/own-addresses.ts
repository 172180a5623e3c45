// An underlay address that has left the node takes the tunnels that begin at it along: whatever is sent to them goes nowhere.
import { NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { timing } from '../connection/timing.js';
import { keepLooking } from '../keep-looking.js';
import { type Connection, isClosed, isDetached } from '../state/connection.js';
import type { SignalComponents } from './components.js';
import { lose } from './losses.js';

/** Looks again and again until the manager stops. */
export async function watchOwnAddresses(components: SignalComponents): Promise<void> {
  await keepLooking(components, timing.compareRoundMs, async () => {
    try {
      await loseHomeless(components);
    } catch (error) {
      // A forwarder that is away tells of the underlay when it is back.
      if (!components.stopping.aborted && NsmError.from(error).kind !== 'unavailable')
        components.logger.warn({ err: error }, 'the addresses of this node were not read');
    }
  });
}

async function loseHomeless(components: SignalComponents): Promise<void> {
  const { clock, stopping, reconciler, self } = components;
  if ((await homeless(components)).length === 0) return;
  // An address may be away for a moment: an uplink moves, a lease is renewed.
  await clock.sleep(timing.addressAwayMs, stopping);
  for (const connection of await homeless(components)) {
    const { local } = connection.crossConnect.tunnel ?? {};
    const reason = `${local}, from which its tunnel went, has left node "${self.name}"`;
    lose(reconciler, connection, 'underlay', reason);
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
