// Who has a share of what is limited: a pod, and the user of the pod.
import type { NamespaceIdentity, PeerCredentials, Subject } from '@nsm/api';
import { type Connection, namespaceOfOwner } from './connection.js';
import { identityOf } from './namespace-identity.js';

export interface Holder extends Pick<PeerCredentials, 'uid' | 'gid' | 'namespace'> {
  /** The manager whose client it is. Default: this one. */
  readonly manager?: string;
}

/** What a pod and its user are counted by. */
export function holderNames({ manager = '', namespace, uid }: Holder): [pod: string, user: string] {
  return [`${manager} ${identityOf(namespace)}`, `${manager} user ${uid}`];
}

/** A client of this node. */
export function ownHolder({
  uid,
  client,
  namespace,
}: {
  readonly uid: number;
  readonly client: Pick<Subject, 'gid'> | undefined;
  readonly namespace: NamespaceIdentity;
}): Holder {
  const { inode, cookie } = namespace;
  return { uid, gid: client?.gid ?? 0, namespace: { inode, cookie } };
}

/** A client of another node, as far as its manager tells which; else undefined. */
export function foreignHolder({ uid = 0, gid = 0, inode, manager }: Subject): Holder | undefined {
  return inode === 0 ? undefined : { uid, gid, namespace: { inode, cookie: 0n }, manager };
}

/** The client of a connection on record. */
export function holderOf({ owner, client, crossConnect }: Connection): Holder | undefined {
  if (!owner) return client && foreignHolder(client);
  return ownHolder({ uid: crossConnect?.client?.uid ?? 0, client, namespace: namespaceOfOwner(owner) });
}
