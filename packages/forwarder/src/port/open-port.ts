// One pod's side of a cross-connect with its network namespace opened and a netlink socket inside, for one operation.
import { type forwarder as fw, NsmError, reservedInterfaceNames } from '@nsm/api';
import {
  IpPrefix,
  type Link,
  libc,
  type NetworkNamespace,
  openNamespace,
  type RouteSocket,
} from '@nsm/netlink';
import { unlessGone } from './device-groups.js';
import { openPod } from './open-pod.js';

/**
 * Held only as long as an operation lasts: an open descriptor or socket keeps a network namespace alive
 * after its pod has gone.
 */
export class OpenPort implements Disposable {
  readonly port: fw.Port;
  readonly namespace: NetworkNamespace;
  readonly socket: RouteSocket;
  /** The former index of the port's device, if known: the device may have been renamed. */
  lastIndex: number | undefined;
  #listed: readonly Link[] | undefined;

  /** @throws NsmError `namespace-unknown` when the namespace no longer exists. */
  constructor(port: fw.Port) {
    this.port = port;
    this.namespace = openPortNamespace(port);
    try {
      this.socket = openPod(this.namespace);
      refuseSuccessor(port.namespace, this.socket);
    } catch (error) {
      this.namespace.close();
      throw error;
    }
  }

  /** The device that carries this cross-connect's id, if there is one. */
  find(id: string): Link | undefined {
    const { name } = this.port;
    if (!name.includes('%')) {
      // By its name first: in an endpoint's pod there may be thousands.
      const candidates = [name, this.port.formerName || undefined, this.lastIndex];
      return candidates
        .map((candidate) => (candidate === undefined ? undefined : this.socket.link(candidate)))
        .find((link) => link?.alias === id);
    }
    return this.#links().find((link) => link.alias === id);
  }

  /** The wanted name, a `%d` in it replaced by the lowest number that is free in the pod and reserved for no other connection. */
  freeName(): string {
    const { name, reservedNames } = this.port;
    if (!name.includes('%d')) return name;
    const inUse = this.#links().flatMap((link) => [link.name, ...link.altNames]);
    const taken = new Set([...inUse, ...reservedNames, ...reservedInterfaceNames]);
    for (let n = 0; ; n++) {
      const candidate = name.replace('%d', String(n));
      if (!taken.has(candidate)) return candidate;
    }
  }

  /** Deletes a device of the pod, whose name is free then. */
  delete(index: number): void {
    this.#listed = undefined;
    unlessGone(() => this.socket.deleteLink(index));
  }

  /** The pod's devices as they were before the operation made any. */
  #links(): readonly Link[] {
    this.#listed ??= this.socket.links();
    return this.#listed;
  }

  [Symbol.dispose](): void {
    this.socket.close();
    this.namespace.close();
  }
}

/** The other side's addresses of those IP versions of which this side has an address: a member of a bridge has none. */
export function peersOf({ port: { addresses, peerAddresses } }: OpenPort): string[] {
  const versions = new Set(addresses.map((own) => IpPrefix.of(own).version));
  return peerAddresses.filter((peer) => versions.has(IpPrefix.ofAddress(peer).version));
}

/** What to say of a name that another device of the pod has. */
export function nameTaken(name: string): string {
  return `an interface named "${name}" exists already in the pod; choose another name`;
}

/** @throws NsmError `dataplane` when another device of the pod has the name. */
export function requireFreeName(socket: RouteSocket, name: string): void {
  if (socket.link(name)) throw new NsmError('dataplane', nameTaken(name));
}

function openPortNamespace(port: fw.Port): NetworkNamespace {
  const { namespace } = port;
  if (!namespace) throw new NsmError('invalid', 'the port names no network namespace');
  return openNamespace({ inode: namespace.inode, hint: namespace.path });
}

/** A new namespace may have got the inode of one that has gone; its cookie tells them apart. */
function refuseSuccessor(wanted: fw.Namespace | undefined, socket: RouteSocket): void {
  if (!wanted?.cookie || namespaceCookie(socket) === wanted.cookie) return;
  socket.close();
  throw new NsmError(
    'namespace-unknown',
    `network namespace ${wanted.inode} has gone; another one has its inode now`,
  );
}

/** SO_NETNS_COOKIE, asm-generic/socket.h; 0 before Linux 5.14. */
export function namespaceCookie(socket: RouteSocket): bigint {
  const value = Buffer.alloc(8);
  return libc.getSocketOption(socket.fd, libc.SOL_SOCKET, SO_NETNS_COOKIE, value) < 0
    ? 0n
    : value.readBigUInt64LE();
}

const SO_NETNS_COOKIE = 71;
