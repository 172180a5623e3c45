// TUN and TAP devices, which are made through /dev/net/tun and not by rtnetlink (linux/if_tun.h).
import * as libc from '../libc/libc.js';
import { check } from '../libc/netlink-error.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETCARRIER = 0x400454e2;
const TUNSETFILTEREBPF = 0x800454e1;
const IFF_TUN = 0x0001;
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
// struct ifreq: the name, then a union of which the flags are two bytes.
const IFREQ_SIZE = 40;
const NAME_SIZE = 16;

/** A TUN or TAP device to open. */
export interface TapOptions {
  /** IP packets, or Ethernet frames. */
  readonly kind: 'tun' | 'tap';
  /** At most 15 bytes; a `%d` is replaced by the lowest free number. An existing persistent device is attached to. */
  readonly name: string;
  /** Default: where the calling thread is. */
  readonly namespace?: NetworkNamespace | undefined;
  /** Several descriptors for one device. Default false. */
  readonly multiQueue?: boolean | undefined;
  /** Each packet preceded by a `struct virtio_net_hdr`. Default false. */
  readonly vnetHeader?: boolean | undefined;
}

/** An open TUN or TAP device: packets are read from and written to {@link fd}. Unless persistent, it goes with it. */
export interface Tap extends Disposable {
  readonly fd: number;
  /** The name the kernel gave it. */
  readonly name: string;
  close(): void;
}

/** Opens a device, non-blocking, making it if need be. @throws NetlinkError: EBUSY when taken, EPERM without CAP_NET_ADMIN */
export const openTap = (options: TapOptions): Tap => {
  const object = options.name;
  const flags = libc.O_RDWR | libc.O_CLOEXEC | libc.O_NONBLOCK;
  const openDevice = (): number => libc.open('/dev/net/tun', flags, 0);
  // The device lands in the namespace in which /dev/net/tun was opened.
  const fd = options.namespace === undefined ? openDevice() : options.namespace.run(openDevice);
  check(fd, 'open /dev/net/tun for', object);
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write(options.name, 0, NAME_SIZE - 1);
  const mode = options.kind === 'tun' ? IFF_TUN : IFF_TAP;
  const queues = options.multiQueue === true ? IFF_MULTI_QUEUE : 0;
  const header = options.vnetHeader === true ? IFF_VNET_HDR : 0;
  request.writeUInt16LE(mode | IFF_NO_PI | queues | header, NAME_SIZE);
  const result = libc.ioctl(fd, TUNSETIFF, request);
  if (result < 0) libc.close(fd);
  check(result, `add ${options.kind} link`, object);
  let open = true;
  const close = (): void => {
    if (open) libc.close(fd);
    open = false;
  };
  return {
    fd,
    name: request.toString('utf8', 0, request.indexOf(0)),
    close,
    [Symbol.dispose]: close,
  };
};

/**
 * Says whether a peer is at the other end: without a carrier, nothing is sent to the device.
 * @param fd an open device's. @throws NetlinkError EINVAL before Linux 4.20
 */
export const setTapCarrier = (fd: number, on: boolean): void => {
  const value = Buffer.alloc(4);
  value.writeUInt32LE(on ? 1 : 0);
  check(libc.ioctl(fd, TUNSETCARRIER, value), 'set carrier of tap link', '');
};

/**
 * Has an eBPF program (BPF_PROG_TYPE_SOCKET_FILTER) see each packet before it can be read; of those for which the program says 0
 * there is nothing to read, and others are cut to what it says, bytes. Since Linux 4.16.
 * @param fd an open device's. @throws NetlinkError
 */
export const setTapFilter = (fd: number, programFd: number): void => {
  const value = Buffer.alloc(4);
  value.writeInt32LE(programFd);
  check(libc.ioctl(fd, TUNSETFILTEREBPF, value), 'filter what is read from tap link', '');
};

/** Has a device stay when no process has it open. @throws NetlinkError */
export const keepTap = ({ fd, name }: Tap): void => {
  check(libc.ioctlNumber(fd, TUNSETPERSIST, 1), 'make persistent', name);
};
