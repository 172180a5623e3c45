// A request_id that is a Pod UID is the caller's own: no pod speaks for another.
import { NsmError } from '@nsm/api';
import type { NodePods } from '../node-pods.js';
import { quote } from '../untrusted-text.js';

const uidAtTheBeginning = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;

/**
 * @param inode of the network namespace that the connection is for.
 * @throws NsmError `namespace-foreign` for the UID of a pod of this node that does not have the namespace.
 */
export function admitPodUid(
  requestId: string,
  inode: number,
  pods: Pick<NodePods, 'podIn' | 'has'> | undefined,
): void {
  const [text] = uidAtTheBeginning.exec(requestId) ?? [];
  const uid = text?.toLowerCase();
  if (uid === undefined || !pods?.has(uid)) return;
  const own = pods.podIn(inode);
  if (own?.uid === uid) return;
  const whose = own ? `the pod ${own.facts.namespace}/${own.facts.name}` : 'no pod of this node';
  throw new NsmError(
    'namespace-foreign',
    `request_id ${quote(requestId)} is the UID of a pod that does not have network namespace net:[${inode}], which is that of ${whose}: ` +
      'ask with the own Pod UID (metadata.uid by the downward API)',
  );
}
