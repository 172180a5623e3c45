// Halves that something in a pod of this node undoes again and again, told to the manager of the other node: packets do not come back
// there for the same cause.
import type { proxy } from '@nsm/api';
import { type Connection, isInPlace } from '../state/connection.js';
import { toldBy, wordsOf } from '../untrusted-text.js';
import type { SignalComponents } from './components.js';

/** Connections told of in one answer at most: the other manager asks again twice a second. */
const mostTroubled = 1024;

/** Connections shared with a manager whose half on this node is undone again and again. */
export function troubledConnections(
  { connections }: Pick<SignalComponents, 'connections'>,
  manager: string,
): readonly { readonly connectionId: string; readonly reason: string }[] {
  const troubled = connections.contested().flatMap(({ peer, phase }) => {
    if (peer?.manager !== manager || phase.kind !== 'UP' || phase.contested === undefined) return [];
    return [{ connectionId: peer.connectionId, reason: phase.contested }];
  });
  return troubled.slice(0, mostTroubled);
}

/** What another manager tells of its halves, of connections that the two share. */
export function hearTroubled(
  components: Pick<SignalComponents, 'connections' | 'reconciler'>,
  connections: readonly Connection[],
  troubled: readonly proxy.TroubledConnection[],
): void {
  const reasons = new Map(troubled.map(({ connectionId, reason }) => [connectionId, wordsOf({ reason })]));
  for (const { id, peer } of connections) {
    const present = components.connections.byId(id);
    if (!peer || !present || !isInPlace(present)) continue;
    const reason = reasons.get(peer.connectionId);
    const told = reason === undefined ? '' : toldBy(peer.manager, reason);
    const before = present.phase.kind === 'UP' ? (present.phase.contestedThere ?? '') : '';
    if (told !== before)
      void components.reconciler.mark(id, (facts) => {
        facts.contestedThere = told;
      });
  }
}
