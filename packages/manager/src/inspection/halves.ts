// The two halves of a connection: which one another manager may look at, and how it is asked about its own.
import { type forwarder as fw, NsmError } from '@nsm/api';
import type { CallingManager } from '../admission/calling-manager.js';
import type { Peer } from '../peers/peer-managers.js';
import { type Connection, isClosed } from '../state/connection.js';
import { quote, toldBy } from '../untrusted-text.js';
import type { InspectionComponents } from './components.js';

/** @throws NsmError `not-found` */
export function knownConnection(
  { connections }: Pick<InspectionComponents, 'connections'>,
  id: string,
): Connection {
  const connection = connections.byId(id);
  if (connection) return connection;
  throw new NsmError('not-found', `no connection ${quote(id)}; "nsm get connections" lists them`);
}

/** How a manager names a half that it does not have to the manager that has it. */
export interface NamedHalf {
  readonly managerName: string;
  readonly connectionId: string;
  readonly halfId: string;
}

/** The other half of a connection: who has it, and how it is named there. Undefined where both sides are on this node. */
export function otherHalf(
  { self }: InspectionComponents,
  { peer, halfId = '' }: Connection,
): { readonly peer: Peer; readonly half: NamedHalf } | undefined {
  return peer && { peer, half: { managerName: self.name, connectionId: peer.connectionId, halfId } };
}

/**
 * This node's half, for the manager of the other one: it shows that by the half's id, which only the two managers know.
 * @throws NsmError `not-found`, in the same words for a half that is another manager's.
 */
export function sharedHalf(
  { connections }: InspectionComponents,
  { name }: CallingManager,
  { connectionId, halfId }: Pick<NamedHalf, 'connectionId' | 'halfId'>,
): Connection {
  const half = connections.halfOf(connectionId);
  const shared =
    half && half.peer?.manager === name && halfId !== '' && half.halfId === halfId && !isClosed(half);
  if (shared) return half;
  throw new NsmError('not-found', `manager ${quote(name)} shares no such connection`);
}

/** The side that is looked at from this node. */
export function sideOf({ client }: fw.CrossConnect): 'client' | 'endpoint' {
  return client ? 'client' : 'endpoint';
}

/** The refusal of another manager: its own words behind its name. */
export function refusedBy(manager: string, thrown: unknown): NsmError {
  const { kind, message } = NsmError.from(thrown);
  if (kind === 'unimplemented')
    return new NsmError(
      kind,
      `manager ${quote(manager)} is of an earlier version, which does not tell of its half`,
      thrown,
    );
  return new NsmError(kind, toldBy(manager, message), thrown);
}
