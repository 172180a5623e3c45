// What something in a pod undoes again and again is told by the manager of its node to that of the other: packets do not come back
// there for the same cause.
import { NsmError, type proxy } from '@nsm/api';
import type { Node } from '../node.js';
import type { Peer } from '../others/peer-managers.js';
import { type Connection, isInPlace } from '../state/connection.js';
import { wordsOf } from './other-half.js';

/** Milliseconds within which a manager says why no packets come back. */
const sayWhyWithinMs = 1000;
/** More than these are not told of at once: it is asked again twice a second. */
const mostTroubled = 1024;

/** What the two share whose half here somebody undoes again and again. */
export function troubledConnections(
  node: Node,
  manager: string,
): readonly { readonly connectionId: string; readonly reason: string }[] {
  const troubled = node.connections.contested().flatMap(({ peer, state }) => {
    if (peer?.manager !== manager || state.kind !== 'UP' || state.reason === undefined) return [];
    return [{ connectionId: peer.connectionId, reason: state.reason }];
  });
  return troubled.slice(0, mostTroubled);
}

/** What somebody undoes on the other node is told of on this one, too: it is why packets of these do not come back. */
export function hearTroubled(
  node: Node,
  connections: readonly Connection[],
  troubled: readonly proxy.TroubledConnection[],
): void {
  const reasons = new Map(troubled.map(({ connectionId, reason }) => [connectionId, wordsOf({ reason })]));
  for (const { id, peer } of connections) {
    const present = node.connections.byId(id);
    if (!peer || !present || !isInPlace(present)) continue;
    const there = reasons.get(peer.connectionId);
    const { state } = present;
    const before = state.kind === 'UP' ? state.there : undefined;
    const told = there === undefined ? undefined : toldBy(peer.manager, there);
    if (before === told) continue;
    // What waits for packets of its node has them when nobody undoes it any more.
    if (told === undefined) {
      const { there: _over, ...own } = state.kind === 'UP' ? state : { kind: 'UP' as const };
      node.connections.changeState(present, own);
      continue;
    }
    const reason = state.kind === 'UP' && state.reason !== undefined ? { reason: state.reason } : {};
    node.connections.changeState(present, { kind: 'UP', ...reason, there: told });
    if (node.rarely.isNews(`other half of ${id}`, 'undone'))
      node.logger.warn(
        { connection: id, reason: told },
        'something on the other node undoes what is mended there',
      );
  }
}

/** What another manager tells of its half of a connection, in words for people of this node. */
export function toldBy(manager: string, reason: string): string {
  return `on node "${manager}": ${reason}`;
}

/**
 * No packets come back through a new tunnel: where something in the endpoint's pod undoes its half, its manager knows.
 * @returns the error that says so, or the one that was given.
 */
export async function whyNoPackets(node: Node, peer: Peer, id: string, error: NsmError): Promise<NsmError> {
  const asked = { managerName: node.name, connections: [] };
  const reply = await node.peers.check(peer, asked, sayWhyWithinMs).catch(() => undefined);
  const why = reply?.troubled.find(({ connectionId }) => connectionId === id);
  return why ? new NsmError(error.kind, toldBy(peer.manager, wordsOf(why)), error) : error;
}
