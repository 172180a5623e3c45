// Whether this kernel, with the rights of this process, does what the mesh asks of it: each is tried, and leaves nothing behind.
import * as libc from './libc/libc.js';
import { check } from './libc/netlink-error.js';
import { SharedMemory } from './libc/shared-memory.js';
import { openTap } from './link/tap.js';
import { unnamedNamespace } from './namespaces/namespaces.js';
import type { NetworkNamespace } from './namespaces/network-namespace.js';
import { hasTcx } from './tc/tcx.js';
import { refuseDescriptors } from './unix/without-descriptors.js';

const AF_PACKET = 17;
/** asm-generic/socket.h, linux/sockios.h, linux/nsfs.h. */
const [SO_NETNS_COOKIE, SO_PEERPIDFD, SIOCGSKNS, NS_GET_USERNS] = [71, 77, 0x894c, 0xb701];
const ENOPROTOOPT = 92;

/** Why it does not work, or ''. */
type Probe = (namespace: NetworkNamespace) => string;

/** A network namespace for the other probes. @throws NamespaceError where none can be made */
export const probedNamespace = (): NetworkNamespace => unnamedNamespace();

/** SO_PEERPIDFD (Linux 6.5): the process at the other end of a socket, and not the one that has its number now. */
export const peerProcess: Probe = () => {
  const fd = openSocket();
  try {
    // Without another end the kernel refuses for other reasons, where it knows the option.
    const told = libc.getSocketOption(fd, libc.SOL_SOCKET, SO_PEERPIDFD, Buffer.alloc(4));
    if (told >= 0) libc.close(told);
    return told === -ENOPROTOOPT ? libc.errorText(ENOPROTOOPT) : '';
  } finally {
    libc.close(fd);
  }
};

/** SO_PASSRIGHTS (Linux 6.16): a socket over which no descriptor comes. */
export const refusedDescriptors: Probe = () => {
  const fd = openSocket();
  try {
    return refuseDescriptors(fd) ? '' : libc.errorText(ENOPROTOOPT);
  } finally {
    libc.close(fd);
  }
};

/** SIOCGSKNS and SO_NETNS_COOKIE (Linux 5.14): the network namespace that a socket was opened in. */
export const namespaceOfSocket: Probe = (namespace) => {
  const fd = namespace.run(openSocket);
  try {
    const owner = libc.ioctlNumber(fd, SIOCGSKNS, 0);
    if (owner < 0) return `SIOCGSKNS: ${libc.errorText(-owner)}`;
    libc.close(owner);
    const told = libc.getSocketOption(fd, libc.SOL_SOCKET, SO_NETNS_COOKIE, Buffer.alloc(8));
    return told < 0 ? `SO_NETNS_COOKIE: ${libc.errorText(-told)}` : '';
  } finally {
    libc.close(fd);
  }
};

/** NS_GET_USERNS of nsfs: who administers a network namespace. */
export const ownerOfNamespace: Probe = ({ fd }) => {
  const owner = libc.ioctlNumber(fd, NS_GET_USERNS, 0);
  if (owner < 0) return `NS_GET_USERNS: ${libc.errorText(-owner)}`;
  libc.close(owner);
  return '';
};

/** packet(7): frames of a device. */
export const packetSocket: Probe = (namespace) => {
  const fd = namespace.run(() => libc.socket(AF_PACKET, libc.SOCK_RAW | libc.SOCK_CLOEXEC, 0));
  if (fd < 0) return libc.errorText(-fd);
  libc.close(fd);
  return '';
};

/** A TAP device by /dev/net/tun. */
export const tap: Probe = (namespace) =>
  refusalOf(() => openTap({ kind: 'tap', name: 'nsm%d', namespace }).close());

/** memfd_create(2) with seals: memory that is shared with other processes. */
export const sealedMemory: Probe = () =>
  refusalOf(() => SharedMemory.create('nsm-probe', 4096)[Symbol.dispose]());

/** tcx (Linux 6.6): programs that stand before all filters of a device. */
export const tcx: Probe = (namespace) =>
  refusalOf(() => {
    if (!namespace.run(hasTcx)) throw new Error('the kernel has no tcx (Linux 6.6)');
  });

/** @throws NetlinkError EMFILE */
function openSocket(): number {
  return check(libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0), 'open', 'a socket');
}

function refusalOf(attempt: () => void): string {
  try {
    attempt();
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
