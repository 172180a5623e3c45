// An IP socket of a pod, held by the test itself: what it gets has passed the pod's own kernel.
import { IpPrefix, libc, type NetworkNamespace } from '@nsm/netlink';

const SO_BINDTODEVICE = 25;
const SOCK_STREAM = 1;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const receiveBuffer = 16 << 20;

export interface IpSocketOptions {
  readonly version: 4 | 6;
  /** UDP with that port, or a raw socket of that IP protocol. */
  readonly kind: { readonly port: number } | { readonly protocol: number };
  /** Gets and sends by this device only. */
  readonly device: string;
}

export class IpSocket implements Disposable {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(65_536);

  /** @throws Error which call failed, and why */
  constructor(namespace: NetworkNamespace, { version, kind, device }: IpSocketOptions) {
    const family = version === 4 ? libc.AF_INET : libc.AF_INET6;
    const [type, protocol] = 'port' in kind ? [libc.SOCK_DGRAM, 0] : [libc.SOCK_RAW, kind.protocol];
    this.#fd = namespace.run(() => libc.socket(family, type | libc.SOCK_CLOEXEC, protocol));
    done('socket', this.#fd);
    libc.setSocketOption(this.#fd, libc.SOL_SOCKET, libc.SO_RCVBUFFORCE, receiveBuffer);
    bindToDevice(this.#fd, device);
    if ('port' in kind) bindToPort(this.#fd, version, kind.port);
  }

  /** From now on it sends to that address. */
  connect(to: string, port = 0): this {
    const address = socketAddress(to, port);
    done('connect', libc.connect(this.#fd, address, address.length));
    return this;
  }

  /** From now on what is sent is cut into datagrams of that many bytes, by whom it may concern (udp(7)). */
  cutInto(size: number): this {
    done('UDP_SEGMENT', libc.setSocketOption(this.#fd, SOL_UDP, UDP_SEGMENT, size));
    return this;
  }

  /** @throws Error such as EMSGSIZE */
  send(bytes: Uint8Array): void {
    done('send', libc.send(this.#fd, bytes, bytes.length, 0));
  }

  /** What came since the last look. */
  received(): Buffer[] {
    const found: Buffer[] = [];
    for (;;) {
      const length = libc.recv(this.#fd, this.#buffer, this.#buffer.length, libc.MSG_DONTWAIT);
      if (length < 0) return found;
      found.push(Buffer.from(this.#buffer.subarray(0, length)));
    }
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

/** A TCP socket of a pod's device. @returns its descriptor. */
export const tcpSocket = (namespace: NetworkNamespace, version: 4 | 6, device: string): number => {
  const family = version === 4 ? libc.AF_INET : libc.AF_INET6;
  const fd = namespace.run(() => libc.socket(family, SOCK_STREAM | libc.SOCK_CLOEXEC, 0));
  done('socket', fd);
  bindToDevice(fd, device);
  return fd;
};

/** Gives it any address, and a port. */
export const bindToPort = (fd: number, version: 4 | 6, port: number): void => {
  const address = socketAddress(version === 4 ? '0.0.0.0' : '::', port);
  done('bind', libc.bind(fd, address, address.length));
};

const bindToDevice = (fd: number, device: string): void =>
  done(
    'bind to device',
    libc.setSocketOptionBytes(fd, libc.SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(device)),
  );

/** `struct sockaddr_in` or `sockaddr_in6`. */
const socketAddress = (address: string, port: number): Buffer => {
  const ip = IpPrefix.ofAddress(address).bytes;
  const bytes = Buffer.alloc(ip.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(ip.length === 4 ? libc.AF_INET : libc.AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ip, ip.length === 4 ? 4 : 8);
  return bytes;
};

const done = (what: string, result: number): void => {
  if (result < 0) throw new Error(`${what}: ${libc.errorText(-result)}`);
};
