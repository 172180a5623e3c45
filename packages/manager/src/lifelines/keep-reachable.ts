// Host routes past connections of the node itself: for managers that join, or change their address, when such a connection routes that
// address already.
import type { forwarder as fw, LogThrottle } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import type { Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import { addressesOf } from '../admission/admission.js';
import type { Forwarder } from '../forwarder-client.js';
import { keepLooking, type LookingAgain } from '../keep-looking.js';
import type { Connection } from '../state/connection.js';
import type { ConnectionTable } from '../state/connection-table.js';
import { type LifelinesComponents, lifelinesOf } from './lifelines.js';
import { LongestMatch } from './longest-match.js';

/** Milliseconds after which routes are compared again, though no event told of a change. */
const againMs = 30_000;

export interface KeepReachableComponents extends LifelinesComponents, LookingAgain {
  readonly connections: Pick<ConnectionTable, 'values' | 'onChange'>;
  readonly registry: Registry;
  readonly forwarder: Pick<Forwarder, 'keepWays'>;
  readonly logThrottle: LogThrottle;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
}

/** Watches over the ways to all lifelines until the manager stops. */
export async function keepReachable(components: KeepReachableComponents): Promise<void> {
  const { registry, connections } = components;
  // A manager that was killed may have left some.
  let kept = true;
  const look = async (): Promise<void> => {
    const own = [...connections.values()].flatMap((connection) => sidesOf(components, connection));
    if (own.length > 0 || kept) kept = await compare(components, own, kept);
  };
  await keepLooking(components, againMs, look, (again) => {
    registry.watch(({ event }) => {
      if (event.case === 'managerPut' || event.case === 'managerRemoved' || event.case === 'synced') again();
    });
    connections.onChange(({ connection }) => {
      if (sidesOf(components, connection).length > 0) again();
    });
  });
}

/** @returns whether there may be host routes now. */
async function compare(
  components: KeepReachableComponents,
  own: readonly OwnInterface[],
  before: boolean,
): Promise<boolean> {
  try {
    const taken = new LongestMatch<true>();
    for (const { routes, addresses } of own)
      for (const prefix of [...routes, ...addresses]) taken.add(IpPrefix.of(prefix), true);
    const lifelines = own.length === 0 ? [] : await lifelinesOf(components);
    const addresses = lifelines
      .map(({ address }) => address)
      .filter((address) => taken.find(IpPrefix.ofAddress(address)));
    const { kept } = await components.forwarder.keepWays({
      idPrefix: components.self.idPrefix,
      addresses,
      interfaces: own.map(({ name }) => name),
    });
    if (kept.length > 0 && components.logThrottle.isNews('ways', kept.join()))
      components.logger.warn(
        { addresses: kept },
        'a connection of this node routes these: kept reachable past it',
      );
    return kept.length > 0;
  } catch (error) {
    if (components.stopping.aborted) return before;
    if (components.logThrottle.isNews('ways', String(error)))
      components.logger.error({ err: error }, 'ways to other nodes are not kept');
    return true;
  }
}

interface OwnInterface {
  readonly name: string;
  readonly routes: readonly string[];
  readonly addresses: readonly string[];
}

/** What a connection has in the node's own namespace. */
function sidesOf(
  components: KeepReachableComponents,
  { crossConnect, clientParameters, endpointParameters }: Connection,
): OwnInterface[] {
  const side = (port: fw.Port | undefined, parameters: typeof clientParameters): OwnInterface[] =>
    port?.namespace?.inode === components.self.namespaceInode && port.name !== '' && !port.name.includes('%')
      ? [{ name: port.name, routes: parameters.route, addresses: addressesOf(parameters) }]
      : [];
  return [...side(crossConnect.client, clientParameters), ...side(crossConnect.endpoint, endpointParameters)];
}
