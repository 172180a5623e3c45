// The story of a client's well-formed request: admitted here, then established, then answered. Read it, then establish.ts.
import { createHash } from 'node:crypto';
import { type connect, NsmError, type PeerCredentials } from '@nsm/api';
import { quote } from '../admission/admission.js';
import { requireShare } from '../admission/pod-share.js';
import { heal, reconnect } from '../life/healing.js';
import { compare } from '../life/mending.js';
import type { Node } from '../node.js';
import { type Connection, type Owner, requestKey } from '../state/connection.js';
import type { Admitted } from './attempt.js';
import { establish } from './establish.js';
import { closeReplaced, takeOver } from './settling.js';

/**
 * Gives a client the connection it asks for. The same request gets the same connection, however often it comes.
 * @throws NsmError for every refusal; then nothing of this request is left on any node.
 */
export async function requestConnection(
  node: Node,
  request: connect.ConnectionRequest,
  peer: PeerCredentials | undefined,
  caller: AbortSignal,
): Promise<Connection> {
  const namespace = await node.guard.admitClient(request.linuxNamespace, peer);
  const key = requestKey(request.requestId, request.networkServiceName);
  const owner: Owner = { namespace: namespace.inode, ...node.owners.processOf(request, peer) };
  const fingerprint = fingerprintOf(request, owner);
  const signal = AbortSignal.any([caller, AbortSignal.timeout(node.requestTimeout)]);

  return await node.mutex.run(key, async () => {
    const present = node.connections.byKey(key);
    if (present && present.owner?.namespace !== owner.namespace && !node.guard.speaksForOthers(peer)) {
      throw new NsmError(
        'conflict',
        `request_id ${quote(request.requestId)} is in use by a pod in another network namespace; use the Pod UID`,
      );
    }
    if (present?.fingerprint === fingerprint) {
      if (present.state.kind === 'UP') return await verified(node, present, signal);
      if (present.state.kind === 'HEALING') return await anew(node, present, present.state.reason, signal);
    }
    if (!present) requireShare(owner.namespace, node.connections.countIn(owner.namespace));
    const replaced = present?.state.kind === 'CLOSING' ? undefined : present;
    if (replaced) await closeReplaced(node, replaced);
    const generation = (present?.generation ?? 0) + 1;
    const admitted: Admitted = {
      request,
      key,
      fingerprint,
      owner,
      namespace,
      uid: peer?.uid ?? 0,
      generation,
      ...(replaced ? { beside: replaced } : {}),
    };
    const connection = await establish(node, admitted, signal);
    // Only now that the changed connection carries packets may the old one go.
    return connection.replaces ? await takeOver(node, connection) : connection;
  });
}

/** A connection that still is what its record says: what was changed behind its back is mended, or all of it made anew. */
async function verified(node: Node, connection: Connection, signal: AbortSignal): Promise<Connection> {
  try {
    return await compare(node, connection);
  } catch (thrown) {
    const error = NsmError.from(thrown);
    // A forwarder that is away, or that cannot look for want of something, says nothing of the connection.
    if (error.kind === 'unavailable' || error.kind === 'exhausted') throw error;
    return await anew(node, connection, error.message, signal);
  }
}

/** At once, for the client that waits; where that fails, later. */
async function anew(
  node: Node,
  connection: Connection,
  reason: string,
  signal: AbortSignal,
): Promise<Connection> {
  try {
    return await reconnect(node, connection, reason, signal);
  } catch (error) {
    heal(node, connection.id, reason);
    throw error;
  }
}

/** The same for requests that ask for the same, whatever the order of their map fields. */
function fingerprintOf(
  { networkServiceName, interface: interfaces, labels, lifetime }: connect.ConnectionRequest,
  owner: Owner,
): string {
  const sorted = (map: Record<string, string> | undefined) =>
    Object.entries(map ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const content = [
    networkServiceName,
    owner,
    lifetime,
    interfaces.map(({ type, preference, parameters }) => [
      type,
      preference,
      sorted(parameters?.interfaceParameters),
    ]),
    sorted(labels?.selector),
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
