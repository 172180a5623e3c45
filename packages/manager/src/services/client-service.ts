// nsmconnect.ClientConnection on client.sock: what clients call.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { connect, NsmError, type PeerCredentials, type ServiceImplementation } from '@nsm/api';
import { admitName, admitRequestId } from '../admission/admission.js';
import {
  type Connection,
  detailOf,
  isClosed,
  isUp,
  namespaceOfOwner,
  requestKey,
} from '../state/connection.js';
import type { ChangeOfOne, ConnectionChange } from '../state/connection-table.js';
import { quote } from '../untrusted-text.js';
import { callingHolder, connectInTurn } from './client-requests.js';
import type { ServiceComponents } from './components.js';
import { refusable } from './refusable.js';

export function clientService(
  components: ServiceComponents,
): ServiceImplementation<typeof connect.ClientConnection> {
  return {
    requestConnection: (request, call) =>
      refusable(async () => {
        const { clientParameters, interface: chosen } = await connectInTurn(components, request, call);
        return { accepted: true, connectionParameters: clientParameters, interface: chosen };
      }),

    closeConnection: ({ requestId, networkServiceName }, { peer, traceparent }) =>
      refusable(async () => {
        admitRequestId(requestId);
        admitName('network_service_name', networkServiceName);
        return await closeOf(components, { requestId, service: networkServiceName, peer, traceparent });
      }),

    async *watchConnections(_request, { peer, signal }) {
      const giveBack = components.shares.take('watches', callingHolder(components, peer));
      const heard: Heard = new Map();
      let synced = false;
      try {
        for await (const change of components.connections.watch(signal)) {
          synced ||= change.kind === 'synced';
          if (
            change.kind === 'synced' ||
            (isOwn(components.guard, change.connection, peer) &&
              isNews(heard, change, synced) &&
              isCurrent(components, change))
          )
            yield clientEvent(change);
        }
      } finally {
        giveBack();
      }
    },
  };
}

interface Closing {
  readonly requestId: string;
  readonly service: string;
  readonly peer: PeerCredentials | undefined;
  /** The trace that the call belongs to, unchecked. */
  readonly traceparent: string | undefined;
}

/**
 * Closes what a caller has under a request_id, in its own network namespace or, where it speaks for others, in any.
 * Success says that the caller has no such connection any more, and never whether another pod has one. A pod that never asked for any
 * has taken the wrong socket, and is told so.
 */
async function closeOf(
  { guard, connections, reconciler, underWay }: ServiceComponents,
  { requestId, service, peer, traceparent }: Closing,
): Promise<MessageInitShape<typeof connect.CloseConnectionReplySchema>> {
  const namespace = guard.namespaceOf(peer);
  let closed = await underWay.end(
    { requestId, networkServiceName: service },
    (asking) => asking?.namespace !== undefined && guard.mayActIn(asking.namespace, peer),
  );
  const own = requestKey(namespace, requestId, service);
  const others = guard.speaksForOthers(peer) ? connections.byRequest(requestId, service) : [];
  const keys = new Set([own, ...others.map(({ key }) => key)]);
  for (const key of keys)
    await reconciler.order(key, {
      kind: 'close',
      reason: 'closed by the client',
      traceparent,
      tell: 'peer',
      concerns: ({ owner }) => {
        const mine = owner !== undefined && guard.mayActIn(namespaceOfOwner(owner), peer);
        closed ||= mine;
        return mine;
      },
    });
  if (closed || guard.speaksForOthers(peer) || connections.wasNoted(namespace))
    return { accepted: true, alreadyClosed: !closed };
  const none = new NsmError(
    'not-found',
    `this network namespace never asked for a connection here, so it has none of request_id ${quote(requestId)} to ${quote(service)}`,
  );
  return { accepted: false, admissionError: none.toAdmissionError(), alreadyClosed: true };
}

/**
 * While one connection replaces another, the client hears of one connection alone: of the old until the old is closed, then of the
 * new, and never of the old one's end.
 */
function isCurrent(
  { connections }: Pick<ServiceComponents, 'connections'>,
  { kind, connection }: ChangeOfOne,
): boolean {
  const { key, generation } = connection;
  const ended = kind === 'removed' || isClosed(connection);
  return !connections
    .ofKey(key)
    .some(
      (other) => !isClosed(other) && (other.generation > generation ? ended : other.generation < generation),
    );
}

/** Of each connection by its id, whether a client has heard that it is there, or that it has ended. */
type Heard = Map<string, 'life' | 'end'>;

/**
 * A connection that is being made is not there yet, and one that ends is told to have ended once, though it is removed later.
 * @param synced false of connections that were there when the watch began.
 */
function isNews(heard: Heard, { kind, connection }: ChangeOfOne, synced: boolean): boolean {
  const { id, phase } = connection;
  const before = heard.get(id) ?? (synced ? 'nothing' : 'life');
  if (kind === 'removed') heard.delete(id);
  else if (isClosed(connection)) heard.set(id, 'end');
  else if (phase.kind === 'CONNECTING' && before === 'nothing') return false;
  else {
    heard.set(id, 'life');
    return true;
  }
  return before === 'life';
}

function isOwn(
  guard: ServiceComponents['guard'],
  { owner }: Connection,
  peer: PeerCredentials | undefined,
): boolean {
  return owner !== undefined && guard.mayActIn(namespaceOfOwner(owner), peer);
}

function clientEvent(change: ConnectionChange): MessageInitShape<typeof connect.ConnectionEventSchema> {
  const { UP, HEALING, CLOSED, SYNCED } = connect.ConnectionEvent_Kind;
  if (change.kind === 'synced') return { kind: SYNCED };
  const { connection } = change;
  const ended = change.kind === 'removed' || isClosed(connection);
  const kind = ended ? CLOSED : isUp(connection) ? UP : HEALING;
  return {
    kind,
    requestId: connection.requestId,
    networkServiceName: connection.service,
    connectionParameters: connection.clientParameters,
    interface: connection.interface,
    detail: change.kind === 'removed' ? change.reason : detailOf(connection),
  };
}
