// Opening a netlink socket in a namespace with the options every request wants, and finding the way back from it.
import * as libc from '../libc/libc.js';
import { check } from '../libc/netlink-error.js';
import { NetworkNamespace } from '../namespaces/network-namespace.js';

// Socket options of SOL_NETLINK (linux/netlink.h).
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
// Returns a descriptor of the namespace a socket lives in (linux/sockios.h).
const SIOCGSKNS = 0x894c;
// What is unread counts against this: a batch's acknowledgements, a dump's next part. 1 MB is over 1,000 acknowledgements.
const RECEIVE_BUFFER = 1 << 20;

/** A descriptor in `namespace`, or where the thread is. @throws NetlinkError, NamespaceError */
export const openNetlink = (protocol: number, namespace: NetworkNamespace | undefined): number => {
  const type = libc.SOCK_RAW | libc.SOCK_CLOEXEC;
  const create = (): number => libc.socket(libc.AF_NETLINK, type, protocol);
  const fd = namespace === undefined ? create() : namespace.run(create);
  check(fd, 'open netlink socket', namespace === undefined ? '' : `in netns ${namespace.inode}`);
  // Absent only on kernels older than 4.20, where requests work without them.
  libc.setSocketOption(fd, libc.SOL_NETLINK, NETLINK_EXT_ACK, 1);
  libc.setSocketOption(fd, libc.SOL_NETLINK, NETLINK_CAP_ACK, 1);
  libc.setSocketOption(fd, libc.SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  setReceiveBuffer(fd, RECEIVE_BUFFER);
  return fd;
};

/** Bytes; beyond net.core.rmem_max only with CAP_NET_ADMIN in the first user namespace. */
export const setReceiveBuffer = (fd: number, size: number): void => {
  if (libc.setSocketOption(fd, libc.SOL_SOCKET, libc.SO_RCVBUFFORCE, size) < 0)
    libc.setSocketOption(fd, libc.SOL_SOCKET, libc.SO_RCVBUF, size);
};

/** Opens the namespace a socket lives in. @throws NetlinkError EPERM without CAP_NET_ADMIN */
export const namespaceOfSocket = (socketFd: number): NetworkNamespace => {
  const fd = check(libc.ioctlNumber(socketFd, SIOCGSKNS, 0), 'find namespace', 'of a netlink socket');
  return NetworkNamespace.fromDescriptor(fd, `socket:${socketFd}`);
};
