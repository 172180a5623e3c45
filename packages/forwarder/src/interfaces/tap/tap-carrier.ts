// The carrier of a TAP device: on as long as a peer is at the other end, and the kernel sends from that moment on.
import { libc, NetworkNamespace, RouteSocket, setTapCarrier } from '@nsm/netlink';

// linux/if_tun.h: the device of a descriptor, and the namespace that it is in.
const TUNGETIFF = 0x800454d2;
const TUNGETDEVNETNS = 0x54e3;
/** `struct ifreq`, which begins with the name. */
const requestSize = 40;

/** Without a peer the device has no carrier: nothing gathers in it. @param tap its descriptor. */
export function showCarrier(tap: number, on: boolean): void {
  try {
    setTapCarrier(tap, on);
    if (on) hear(tap);
  } catch {
    // A kernel before 5.0, or the device has gone.
  }
}

/** To ask for the device has what it sends let out at once, and not when the kernel's link watch runs: see waitForCarrier. */
function hear(tap: number): void {
  const request = Buffer.alloc(requestSize);
  const fd = libc.ioctl(tap, TUNGETIFF, request) < 0 ? -1 : libc.ioctlNumber(tap, TUNGETDEVNETNS, 0);
  if (fd < 0) return;
  using namespace = NetworkNamespace.fromDescriptor(fd, 'of a TAP device');
  const socket = RouteSocket.open(namespace);
  try {
    socket.link(request.toString('utf8', 0, request.indexOf(0)));
  } finally {
    socket.close();
  }
}
