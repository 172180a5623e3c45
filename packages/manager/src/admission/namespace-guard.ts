// Who may name which network namespace: a process its own, unless configuration lets its user speak for others.
import type { forwarder as fw, PeerCredentials } from '@nsm/api';
import { NsmError } from '@nsm/api';
import type { Forwarder } from '../forwarder-client.js';
import { quote } from '../untrusted-text.js';
import { orOutOfSight, outOfSight } from './pid-namespace.js';

/** Milliseconds for which the routes of an endpoint's namespace are taken as known: a namespace may have hundreds of them. */
const rememberMs = 1000;

export class NamespaceGuard {
  readonly #forwarder: Forwarder;
  readonly #allowedUids: ReadonlySet<number>;
  readonly #now: () => number;
  readonly #endpointNamespaces = new Map<
    string,
    { readonly namespace: fw.Namespace; readonly until: number }
  >();
  /** Of each open socket's peer, so that a burst over one socket looks once. */
  readonly #callers = new WeakMap<PeerCredentials, Promise<string>>();
  /** What was looked up before something was forgotten is not remembered. */
  #forgotten = 0;

  /**
   * @param allowedUids users whose processes may name any namespace, as a node agent must.
   * @param now monotonic milliseconds.
   */
  constructor(forwarder: Forwarder, allowedUids: readonly number[], now: () => number) {
    this.#forwarder = forwarder;
    this.#allowedUids = new Set(allowedUids);
    this.#now = now;
  }

  /**
   * The namespace a client names.
   * @throws NsmError `namespace-unknown`, `invalid`, or `namespace-foreign` when the caller is not in it.
   */
  async admitClient(linuxNamespace: string, peer: PeerCredentials | undefined): Promise<fw.Namespace> {
    // What a process that cannot be seen calls its own, or knows by /proc, is another here.
    const isItsOwn = linuxNamespace === '' || linuxNamespace.startsWith('/proc/');
    if (peer && isHidden(peer) && (isItsOwn || !this.speaksForOthers(peer))) throw outOfSight('asks');
    const { namespace, pidInode } = await this.#forwarder
      .inspectNamespace({ linuxNamespace, pid: peer?.pid ?? 0 })
      .catch((thrown: unknown) => {
        throw peer && isHidden(peer) ? orOutOfSight(thrown) : thrown;
      });
    if (!namespace)
      throw new NsmError('namespace-unknown', `linux_namespace ${quote(linuxNamespace)} does not exist`);
    if (!peer || (pidInode !== namespace.inode && !this.#allowedUids.has(peer.uid))) {
      throw new NsmError(
        'namespace-foreign',
        `linux_namespace ${quote(linuxNamespace)} (inode ${namespace.inode}) is not the caller's own ` +
          `(process ${peer?.pid}, inode ${pidInode}): call from inside it, or start the manager with --allow-uid ${peer?.uid}`,
      );
    }
    const ownsNode = peer.uid === 0 || this.#allowedUids.has(peer.uid);
    if (!ownsNode && namespace.inode === (await this.#managerNamespace())) {
      throw new NsmError(
        'namespace-foreign',
        `linux_namespace ${quote(linuxNamespace)} is the node's own, whose traffic is not user ${peer.uid}'s to redirect: ` +
          `call from inside a pod, or start the manager with --allow-uid ${peer.uid}`,
      );
    }
    return namespace;
  }

  /**
   * The inode of the namespace a process is in; 0 when it no longer runs, or need not be known.
   * @param does what it does, such as `asks`.
   * @throws NsmError `namespace-foreign` when it cannot be seen and may not speak for others.
   */
  async namespaceOf(peer: PeerCredentials | undefined, does = 'asks'): Promise<number> {
    if (!peer) throw new NsmError('namespace-foreign', 'the caller is unknown: call over the unix socket');
    if (isHidden(peer)) {
      if (this.speaksForOthers(peer)) return 0;
      throw outOfSight(does);
    }
    const { pidInode } = await this.#forwarder.inspectNamespace({ pid: peer.pid, inodeOnly: true });
    return pidInode;
  }

  /** The pod that asks, for fair shares: where the caller connected from, which it cannot make up, unless it speaks for others. */
  async askerOf(linuxNamespace: string, peer: PeerCredentials | undefined): Promise<string> {
    if (!peer || this.speaksForOthers(peer)) return linuxNamespace;
    const known = this.#callers.get(peer);
    if (known) return await known;
    const asker = this.namespaceOf(peer).then((inode) => `net:[${inode}]`);
    this.#callers.set(peer, asker);
    asker.catch(() => this.#callers.delete(peer));
    return await asker;
  }

  /** True for callers that may act on every namespace. */
  speaksForOthers(peer: PeerCredentials | undefined): boolean {
    return peer !== undefined && this.#allowedUids.has(peer.uid);
  }

  /** True for a process inside a namespace, and for those that may serve pods from outside: see `admitEndpoint`. */
  async maySpeakFor(peer: PeerCredentials | undefined, namespace: number): Promise<boolean> {
    if (this.speaksForOthers(peer)) return true;
    const own = await this.namespaceOf(peer);
    return (own !== 0 && own === namespace) || (peer?.uid === 0 && own === (await this.#managerNamespace()));
  }

  /**
   * The namespace an endpoint names in its reply. Root outside of any pod may serve for pods: it could enter
   * them anyway.
   * @throws NsmError as `admitClient`.
   */
  async admitEndpoint(linuxNamespace: string, listener: PeerCredentials): Promise<fw.Namespace> {
    const key = `${listener.pid} ${linuxNamespace}`;
    const known = this.#endpointNamespaces.get(key);
    if (known && known.until > this.#now()) return known.namespace;
    const forgotten = this.#forgotten;
    const { namespace, pidInode } = await this.#forwarder.inspectNamespace({
      linuxNamespace,
      pid: listener.pid,
    });
    if (!namespace)
      throw new NsmError('namespace-unknown', `linux_namespace ${quote(linuxNamespace)} does not exist`);
    if (isHidden(listener) && !this.speaksForOthers(listener)) throw outOfSight('serves the endpoint');
    const entitled = pidInode === namespace.inode || (await this.maySpeakFor(listener, namespace.inode));
    if (!entitled) {
      throw new NsmError(
        'namespace-foreign',
        `the endpoint named linux_namespace ${quote(linuxNamespace)} (inode ${namespace.inode}), which is not its own ` +
          `(process ${listener.pid}, inode ${pidInode}): serve from inside it, or start the manager with --allow-uid ${listener.uid}`,
      );
    }
    if (this.#endpointNamespaces.size > 4096) this.#endpointNamespaces.clear();
    if (forgotten === this.#forgotten)
      this.#endpointNamespaces.set(key, { namespace, until: this.#now() + rememberMs });
    return namespace;
  }

  #managerNamespace(): Promise<number> {
    return this.namespaceOf({ pid: process.pid, uid: 0, gid: 0 });
  }

  /** Forgets what it knew of a namespace that has gone, or in which a connection's routes have gone. */
  forget(inode: number): void {
    this.#forgotten++;
    for (const [key, { namespace }] of this.#endpointNamespaces) {
      if (namespace.inode === inode) this.#endpointNamespaces.delete(key);
    }
  }
}

/** SO_PEERCRED has no number for a process outside of the reader's pid namespace: pid_nr_ns() of kernel/pid.c gives 0. */
function isHidden({ pid }: PeerCredentials): boolean {
  return pid === 0;
}
