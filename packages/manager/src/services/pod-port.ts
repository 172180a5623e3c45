// Connections for pods that have no agent in them: asked for within this process, as if by the pod itself.
import { create } from '@bufbuild/protobuf';
import { type CallContext, connect, NsmError, type PeerCredentials } from '@nsm/api';
import type { PodPort, PodProcess } from '../node-pods.js';
import { reconsiderPod } from '../signals/policy-changes.js';
import type { Connection } from '../state/connection.js';
import { auditedCalls } from './audited-calls.js';
import { connectInTurn } from './client-requests.js';
import type { ServiceComponents } from './components.js';

/**
 * The caller of each request is made of what the kernel says of a process in the pod, so that it is admitted, counted and judged as one
 * from the pod's own socket would be: no caller here can speak for a pod other than the one whose process it names.
 */
export function podPort(components: ServiceComponents, socketFolders: readonly string[]): PodPort {
  const { connections, registry, reconciler, stopping } = components;
  const attach = (request: connect.ConnectionRequest, { peer, signal }: CallContext): Promise<Connection> =>
    connectInTurn(components, request, { peer, signal, marks: { annotated: true } });
  const audited = auditedCalls(components, { attach });
  return {
    stopping,
    socketFolders,
    connections: () => connections.values(),
    watch: (signal) => connections.watch(signal),
    onEndpoint: (listener) =>
      registry.watch(({ event }) => {
        if (event.case === 'endpointPut') listener(event.value.networkServiceName);
      }),
    attach: async (process, wanted, caller) => {
      const peer = await peerOf(components, process);
      const request = create(connect.ConnectionRequestSchema, {
        ...wanted,
        linuxNamespace: `/proc/${peer.pid}/ns/net`,
      });
      const signal = AbortSignal.any([caller, stopping]);
      return await audited.attach(request, { peer, signal });
    },
    detach: async ({ key }, reason) => {
      await reconciler.order(key, {
        kind: 'close',
        reason,
        tell: 'peer',
        concerns: ({ owner }) => owner?.annotated === true,
      });
    },
    factsChanged: (inode) => reconsiderPod(components, inode),
  };
}

async function peerOf(
  { forwarder }: Pick<ServiceComponents, 'forwarder'>,
  { pid, startTime, uid, gid }: PodProcess,
): Promise<PeerCredentials> {
  const { pidInode: inode, pidCookie: cookie } = await forwarder.inspectNamespace({ pid, inodeOnly: true });
  if (inode === 0)
    throw new NsmError(
      'namespace-unknown',
      `the network namespace of process ${pid}, which stands for the pod, is gone`,
    );
  return { pid, startTime, uid, gid, namespace: { inode, cookie } };
}
