// A client's well-formed request becomes an order: what it asks for and for whom is found out here, and no more.
import { connect, NsmError, type PeerCredentials } from '@nsm/api';
import { admitPodUid } from '../admission/pod-uid.js';
import { establish } from '../request/establish.js';
import { type Connection, newConnectionHash, type Owner, requestKey } from '../state/connection.js';
import type { ServiceComponents } from './components.js';
import { fingerprintOf } from './fingerprint.js';

/**
 * Gives a client the connection it asks for. The same request gets the same connection, however often it comes.
 * @param marks what else its record is to say of whom it is for.
 * @throws NsmError for every refusal; then nothing of this request is left on any components.
 */
export async function requestConnection(
  components: ServiceComponents,
  request: connect.ConnectionRequest,
  peer: PeerCredentials | undefined,
  caller: AbortSignal,
  marks: Pick<Owner, 'annotated'> = {},
): Promise<Connection> {
  const namespace = await components.guard.admitClient(request.linuxNamespace, peer);
  admitPodUid(request.requestId, namespace.inode, components.pods);
  const key = requestKey(namespace, request.requestId, request.networkServiceName);
  const { inode, cookie } = namespace;
  const process = components.owners.processOf(request, peer);
  const owner: Owner = { namespace: inode, ...(cookie ? { cookie } : {}), ...process, ...marks };
  const fingerprint = fingerprintOf(
    connect.ConnectionRequestSchema,
    { ...request, linuxNamespace: '' },
    { namespace: inode, ...process },
  );
  const signal = AbortSignal.any([caller, AbortSignal.timeout(components.requestTimeoutMs)]);
  const { uid, gid } = peer ?? { uid: 0, gid: 0 };
  const client = components.subjects.of({ uid, gid }, namespace.inode);
  const admitted = { request, key, fingerprint, owner, namespace, client, uid };
  const connection = await components.reconciler.order(key, {
    kind: 'connect',
    fingerprint,
    signal,
    make: (interrupted, beside) => {
      const { connections } = components;
      if (!beside)
        components.shares.require(
          'connections',
          { uid: admitted.uid, namespace },
          { pod: connections.countIn(owner), user: connections.countOfUser(admitted.uid) },
          1,
          components.gate.limitsOf(client, components.catalogue.of(request.networkServiceName)).connections,
        );
      const generation = connections.nextGeneration(key);
      return establish(
        components,
        { ...admitted, generation, hash: newConnectionHash(), ...(beside ? { beside } : {}) },
        AbortSignal.any([signal, interrupted]),
      );
    },
  });
  if (!connection) throw new NsmError('internal', `no connection for request_id ${request.requestId}`);
  return connection;
}
