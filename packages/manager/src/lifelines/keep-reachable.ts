// Managers that join, or come under another address, when a connection of the node itself routes that address already: what the mesh
// sends to them goes past it.
import type { forwarder as fw, LogThrottle } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import type { Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import { addressesOf } from '../admission/admission.js';
import type { Clock } from '../clock.js';
import type { Forwarder } from '../forwarder-client.js';
import type { Connection } from '../state/connection.js';
import type { ConnectionTable } from '../state/connection-table.js';
import { type LifelinesComponents, lifelinesOf } from './lifelines.js';
import { LongestMatch } from './longest-match.js';

/** Milliseconds after which routes are compared again, though no event told of a change. */
const againMs = 30_000;

export interface KeepReachableComponents extends LifelinesComponents {
  readonly connections: Pick<ConnectionTable, 'values' | 'watch'>;
  readonly registry: Registry;
  readonly forwarder: Pick<Forwarder, 'keepWays'>;
  /** Called when links, addresses or routes of the node may lead to other nodes in another way. */
  readonly underlayListeners: Set<() => void>;
  readonly logThrottle: LogThrottle;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  readonly stopping: AbortSignal;
}

/** Watches over the ways to all lifelines until the manager stops. */
export async function keepReachable(components: KeepReachableComponents): Promise<void> {
  const { registry, connections, stopping } = components;
  let wake = new AbortController();
  const mark = (): void => wake.abort();
  using _watch = registry.watch(({ event }) => {
    if (event.case === 'managerPut' || event.case === 'managerRemoved' || event.case === 'synced') mark();
  });
  components.underlayListeners.add(mark);
  void markOwn(components, mark);
  // A manager that was killed may have left some.
  let kept = true;
  while (!stopping.aborted) {
    wake = new AbortController();
    const own = [...connections.values()].flatMap((connection) => sidesOf(components, connection));
    if (own.length > 0 || kept) kept = await compare(components, own, kept);
    await components.clock.sleep(againMs, AbortSignal.any([wake.signal, stopping]));
  }
}

/** @returns whether there may be host routes now. */
async function compare(
  components: KeepReachableComponents,
  own: readonly Side[],
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

interface Side {
  readonly name: string;
  readonly routes: readonly string[];
  readonly addresses: readonly string[];
}

/** What a connection has in the node's own namespace. */
function sidesOf(
  components: KeepReachableComponents,
  { crossConnect, clientParameters, endpointParameters }: Connection,
): Side[] {
  const side = (port: fw.Port | undefined, parameters: typeof clientParameters): Side[] =>
    port?.namespace?.inode === components.self.namespaceInode && port.name !== '' && !port.name.includes('%')
      ? [{ name: port.name, routes: parameters.route, addresses: addressesOf(parameters) }]
      : [];
  return [...side(crossConnect.client, clientParameters), ...side(crossConnect.endpoint, endpointParameters)];
}

async function markOwn(components: KeepReachableComponents, mark: () => void): Promise<void> {
  while (!components.stopping.aborted) {
    try {
      for await (const change of components.connections.watch(components.stopping))
        if (change.kind !== 'synced' && sidesOf(components, change.connection).length > 0) mark();
    } catch {
      // Too far behind: it begins anew.
    }
  }
}
