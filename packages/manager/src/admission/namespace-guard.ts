// Who may name which network namespace: a socket opened in it, unless configuration lets the user speak for others.
import type { forwarder as fw, NamespaceIdentity, PeerCredentials } from '@nsm/api';
import { NsmError, Turns } from '@nsm/api';
import type { Forwarder } from '../forwarder-client.js';
import { identityOf, isSameNamespace } from '../state/namespace-identity.js';
import { quote } from '../untrusted-text.js';
import { orOutOfSight, outOfSight } from './pid-namespace.js';

/** Milliseconds for which the routes of an endpoint's namespace are taken as known: a namespace may have hundreds of them. */
const rememberMs = 1000;

/** Paths by which every process names its own network namespace. */
const ownNames = new Set(['', '/proc/self/ns/net', '/proc/thread-self/ns/net']);

export interface GuardOptions {
  /** Users whose processes may name any namespace, as a node agent must. */
  readonly allowedUids: readonly number[];
  readonly own: NamespaceIdentity;
}

export class NamespaceGuard {
  readonly #forwarder: Pick<Forwarder, 'inspectNamespace'>;
  readonly #allowedUids: ReadonlySet<number>;
  readonly #own: NamespaceIdentity;
  readonly #now: () => number;
  readonly #turns = new Turns();
  readonly #endpointNamespaces = new Map<
    string,
    { readonly namespace: fw.Namespace; readonly until: number }
  >();
  /** Counts the calls of `forget`: a look that began before such a call is not remembered. */
  #forgotten = 0;

  /** @param now monotonic milliseconds. */
  constructor(
    forwarder: Pick<Forwarder, 'inspectNamespace'>,
    { allowedUids, own }: GuardOptions,
    now: () => number,
  ) {
    this.#forwarder = forwarder;
    this.#allowedUids = new Set(allowedUids);
    this.#own = own;
    this.#now = now;
  }

  /**
   * The namespace a client names.
   * @throws NsmError `namespace-unknown`, `invalid`, or `namespace-foreign` when the caller's socket was not opened in it.
   */
  async admitClient(linuxNamespace: string, peer: PeerCredentials | undefined): Promise<fw.Namespace> {
    const own = this.namespaceOf(peer);
    const reference = referenceTo(linuxNamespace, own);
    // A number that the caller knows is here no process's, or another's.
    if (peer && isHidden(peer) && reference.startsWith('/proc/'))
      throw outOfSight(`${quote(linuxNamespace)} names`);
    // A look takes as long as the pod has routes: of what others wait for, each caller has one at a time.
    const asking = (): Promise<fw.InspectNamespaceReply> =>
      this.#forwarder.inspectNamespace({ linuxNamespace: reference, pid: peer?.pid ?? 0 });
    const any = this.speaksForOthers(peer);
    const { namespace } = await this.#turns
      .take([`${identityOf(own)} ${any ? linuxNamespace : ''}`], asking)
      .catch((thrown: unknown) => {
        const error = NsmError.from(peer && isHidden(peer) ? orOutOfSight(thrown) : thrown);
        throw !any && error.kind === 'namespace-unknown' && !names(reference, own)
          ? notItsOwn(linuxNamespace, own, peer)
          : error;
      });
    if (!namespace)
      throw new NsmError('namespace-unknown', `linux_namespace ${quote(linuxNamespace)} does not exist`);
    if (!any && !isSameNamespace(namespace, own)) throw notItsOwn(linuxNamespace, own, peer);
    if (!this.mayActIn(namespace, peer)) throw notItsNode(linuxNamespace, peer);
    return namespace;
  }

  /**
   * The namespace that a caller's socket was opened in.
   * @throws NsmError `namespace-foreign` when it is not known.
   */
  namespaceOf(peer: PeerCredentials | undefined): NamespaceIdentity {
    if (!peer) throw new NsmError('namespace-foreign', 'the caller is unknown: call over the unix socket');
    const { namespace } = peer;
    if (identityOf(namespace) === undefined || namespace === undefined)
      throw new NsmError(
        'namespace-foreign',
        "the kernel does not tell in which network namespace the caller's socket was opened: it takes Linux 5.14 or later, or " +
          'CAP_NET_ADMIN for the manager',
      );
    return namespace;
  }

  /** The pod that asks, for fair shares: where its socket was opened, which it cannot make up, unless it speaks for others. */
  askerOf(linuxNamespace: string, peer: PeerCredentials | undefined): string {
    if (this.speaksForOthers(peer)) return linuxNamespace;
    return identityOf(this.namespaceOf(peer)) ?? '';
  }

  speaksForOthers(peer: PeerCredentials | undefined): boolean {
    return peer !== undefined && this.#allowedUids.has(peer.uid);
  }

  /** Root of the node, outside of any pod, and those who speak for others. */
  ownsNode({ uid, namespace }: Pick<PeerCredentials, 'uid' | 'namespace'>): boolean {
    return this.#allowedUids.has(uid) || (uid === 0 && this.#isNode(namespace));
  }

  /** Whether a caller may act for a namespace: it is in it; and the node's own is not for every user of the node. */
  mayActIn(namespace: NamespaceIdentity, peer: PeerCredentials | undefined): boolean {
    if (!peer || this.speaksForOthers(peer)) return peer !== undefined;
    return isSameNamespace(namespace, peer.namespace) && (peer.uid === 0 || !this.#isNode(namespace));
  }

  /**
   * Whether a caller may speak for what another process serves: both are in one pod, or the caller is root outside of any pod, which
   * could enter the pod anyway. On the node itself every user speaks for its own processes alone.
   */
  maySpeakFor(peer: PeerCredentials | undefined, listener: PeerCredentials): boolean {
    if (!peer || this.speaksForOthers(peer)) return peer !== undefined;
    if (this.#isNode(peer.namespace) && peer.uid === 0) return true;
    if (!isSameNamespace(listener.namespace, peer.namespace)) return false;
    return !this.#isNode(peer.namespace) || peer.uid === listener.uid;
  }

  /**
   * The namespace an endpoint names in its reply: its own, or any for root outside of any pod.
   * @throws NsmError as `admitClient`.
   */
  async admitEndpoint(linuxNamespace: string, listener: PeerCredentials): Promise<fw.Namespace> {
    const { pid, uid, namespace: own } = listener;
    this.requireKnown(listener);
    const key = `${identityOf(own)} ${pid} ${uid} ${linuxNamespace}`;
    const known = this.#endpointNamespaces.get(key);
    if (known && known.until > this.#now()) return known.namespace;
    const forgotten = this.#forgotten;
    const reference = own ? referenceTo(linuxNamespace, own) : linuxNamespace;
    const any = this.ownsNode(listener);
    const { namespace } = await this.#forwarder
      .inspectNamespace({ linuxNamespace: reference, pid, administered: true })
      .catch((thrown: unknown) => {
        const error = NsmError.from(thrown);
        throw !any && error.kind === 'namespace-unknown' && !names(reference, own)
          ? notTheEndpoints(linuxNamespace, listener)
          : error;
      });
    if (!namespace)
      throw new NsmError('namespace-unknown', `linux_namespace ${quote(linuxNamespace)} does not exist`);
    if (!any && !this.mayActIn(namespace, listener))
      throw isSameNamespace(namespace, own)
        ? notItsNode(linuxNamespace, listener)
        : notTheEndpoints(linuxNamespace, listener);
    if (this.#endpointNamespaces.size > 4096) this.#endpointNamespaces.clear();
    if (forgotten === this.#forgotten)
      this.#endpointNamespaces.set(key, { namespace, until: this.#now() + rememberMs });
    return namespace;
  }

  /** @throws NsmError `namespace-foreign` where it is not known in which network namespace a process listens. */
  requireKnown(listener: PeerCredentials): void {
    if (identityOf(listener.namespace) !== undefined || this.speaksForOthers(listener)) return;
    throw isHidden(listener) ? outOfSight('serves the endpoint') : endedListener();
  }

  #isNode(namespace: NamespaceIdentity | undefined): boolean {
    return isSameNamespace(namespace, this.#own);
  }

  /** Forgets what it knew of a namespace that has gone, or in which a connection's routes have gone. */
  forget(inode: number): void {
    this.#forgotten++;
    for (const [key, { namespace }] of this.#endpointNamespaces) {
      if (namespace.inode === inode) this.#endpointNamespaces.delete(key);
    }
  }
}

/** The own namespace of a process is the one where its socket was opened, wherever the process has gone since. */
function referenceTo(linuxNamespace: string, { inode }: NamespaceIdentity): string {
  return ownNames.has(linuxNamespace) && inode !== 0 ? String(inode) : linuxNamespace;
}

/** Whether a reference is the inode of a namespace. */
function names(reference: string, namespace: NamespaceIdentity | undefined): boolean {
  return Number(/^(?:net:\[)?(\d+)\]?$/.exec(reference)?.[1]) === namespace?.inode;
}

// Both say the same of a namespace that is another's and of one that is not there.

function notItsOwn(
  linuxNamespace: string,
  own: NamespaceIdentity,
  peer: PeerCredentials | undefined,
): NsmError {
  return new NsmError(
    'namespace-foreign',
    `linux_namespace ${quote(linuxNamespace)} is not the caller's own (${inWords(own)}), if it is there at all: ` +
      `call from inside it, or start the manager with --allow-uid ${peer?.uid}`,
  );
}

function notTheEndpoints(linuxNamespace: string, { pid, uid, namespace: own }: PeerCredentials): NsmError {
  return new NsmError(
    'namespace-foreign',
    `the endpoint named linux_namespace ${quote(linuxNamespace)}, which is not its own (process ${pid}, ` +
      `${own ? inWords(own) : 'unknown'}), if it is there at all: serve from inside it, or start the manager with --allow-uid ${uid}`,
  );
}

function inWords({ inode, cookie }: NamespaceIdentity): string {
  return inode ? `inode ${inode}` : `cookie ${cookie}`;
}

function notItsNode(linuxNamespace: string, peer: PeerCredentials | undefined): NsmError {
  return new NsmError(
    'namespace-foreign',
    `linux_namespace ${quote(linuxNamespace)} is the node's own, whose traffic is not user ${peer?.uid}'s to redirect: ` +
      `call from inside a pod, or start the manager with --allow-uid ${peer?.uid}`,
  );
}

function endedListener(): NsmError {
  return new NsmError(
    'namespace-foreign',
    'the process that made the socket of the endpoint listen has ended, or its network namespace may not be looked at: let the ' +
      'process that serves call listen itself; the forwarder needs the /proc of the node and CAP_SYS_PTRACE',
  );
}

/** SO_PEERCRED has no number for a process outside of the reader's pid namespace: pid_nr_ns() of kernel/pid.c gives 0. */
function isHidden({ pid }: PeerCredentials): boolean {
  return pid === 0;
}
