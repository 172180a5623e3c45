// Managers that join, or come under another address, when a connection of the node itself routes that address already: what the mesh
// sends to them goes past it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { forwarder as fw } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { addressesOf } from '../admission/admission.js';
import type { Node } from '../node.js';
import type { Connection } from '../state/connection.js';
import { lifelinesOf } from './lifelines.js';
import { LongestMatch } from './longest-match.js';

/** Milliseconds after which ways are compared again, though nobody told that one has changed. */
const againMs = 30_000;

/** Watches over the ways to all lifelines until the manager stops. */
export async function keepReachable(node: Node): Promise<void> {
  const { registry, connections, stopping } = node;
  let wake = new AbortController();
  const mark = (): void => wake.abort();
  using _watch = registry.watch(({ event }) => {
    if (event.case === 'managerPut' || event.case === 'managerRemoved' || event.case === 'synced') mark();
  });
  node.underlayChanged.add(mark);
  void markOwn(node, mark);
  // A manager that was killed may have left some.
  let kept = true;
  while (!stopping.aborted) {
    wake = new AbortController();
    const own = [...connections.values()].flatMap((connection) => sidesOf(node, connection));
    if (own.length > 0 || kept) kept = await compare(node, own, kept);
    await sleep(againMs, undefined, { signal: AbortSignal.any([wake.signal, stopping]), ref: false }).catch(
      () => undefined,
    );
  }
}

/** @returns whether there may be host routes now. */
async function compare(node: Node, own: readonly Side[], before: boolean): Promise<boolean> {
  try {
    const taken = new LongestMatch<true>();
    for (const { routes, addresses } of own)
      for (const prefix of [...routes, ...addresses]) taken.add(IpPrefix.of(prefix), true);
    const lifelines = own.length === 0 ? [] : await lifelinesOf(node);
    const addresses = lifelines
      .map(({ address }) => address)
      .filter((address) => taken.find(IpPrefix.ofAddress(address)));
    const { kept } = await node.forwarder.keepWays({
      idPrefix: node.idPrefix,
      addresses,
      interfaces: own.map(({ name }) => name),
    });
    if (kept.length > 0 && node.rarely.isNews('ways', kept.join()))
      node.logger.warn({ addresses: kept }, 'a connection of this node routes these: kept reachable past it');
    return kept.length > 0;
  } catch (error) {
    if (node.stopping.aborted) return before;
    if (node.rarely.isNews('ways', String(error)))
      node.logger.error({ err: error }, 'ways to other nodes are not kept');
    return true;
  }
}

interface Side {
  readonly name: string;
  readonly routes: readonly string[];
  readonly addresses: readonly string[];
}

/** What a connection has in the node's own namespace. */
function sidesOf(node: Node, { crossConnect, clientParameters, endpointParameters }: Connection): Side[] {
  const side = (port: fw.Port | undefined, parameters: typeof clientParameters): Side[] =>
    port?.namespace?.inode === node.namespaceInode && port.name !== '' && !port.name.includes('%')
      ? [{ name: port.name, routes: parameters.route, addresses: addressesOf(parameters) }]
      : [];
  return [...side(crossConnect.client, clientParameters), ...side(crossConnect.endpoint, endpointParameters)];
}

async function markOwn(node: Node, mark: () => void): Promise<void> {
  while (!node.stopping.aborted) {
    try {
      for await (const change of node.connections.watch(node.stopping))
        if (change.kind !== 'synced' && sidesOf(node, change.connection).length > 0) mark();
    } catch {
      // Too far behind: it begins anew.
    }
  }
}
