// What another manager asks for becomes an order.
import { type CallContext, deadline, NsmError, proxy } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { foreignClient } from '../policy/subjects.js';
import { makeHalf } from '../request/endpoint-half.js';
import { type Connection, proxyKey } from '../state/connection.js';
import type { ServiceComponents } from './components.js';
import { fingerprintOf } from './fingerprint.js';

/**
 * Makes this node's half of a connection, for a well-formed request. The same request gets the same half, however often it comes.
 * @throws NsmError for every refusal; then nothing of the request is left on this node.
 */
export async function requestProxyConnection(
  components: ServiceComponents,
  request: proxy.ProxyConnectionRequest,
  caller: CallContext,
  course: Course,
): Promise<Connection> {
  const key = proxyKey(request);
  // Asked for again, a half keeps the id that it has.
  const fingerprint = fingerprintOf(proxy.ProxyConnectionRequestSchema, { ...request, halfId: '' });
  const signal = deadline(components.requestTimeoutMs, caller.signal);
  const connection = await components.reconciler.order(key, {
    kind: 'connect',
    fingerprint,
    course,
    signal,
    make: (interrupted) =>
      makeHalf(
        components,
        {
          request,
          key,
          fingerprint,
          client: foreignClient(request.client, request.clientManagerName, caller),
          callerAddress: caller.remoteAddress ?? '',
        },
        AbortSignal.any([signal, interrupted]),
        course,
      ),
  });
  if (!connection) throw new NsmError('internal', `no half of connection ${request.connectionId}`);
  return connection;
}
