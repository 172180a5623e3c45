// One end of a connection: the pod, its device, its addresses; and the sockets by which a test speaks for it.
import type { Link } from '@nsm/netlink';
import { PacketSocket, type TestNamespace } from '@nsm/testkit';
import { IpSocket, tcpSocket } from './ip-socket.js';

export type Version = 4 | 6;
export const versions: readonly Version[] = [4, 6];

/** A connection between two pods. */
export interface Cell {
  readonly near: PodEnd;
  readonly far: PodEnd;
  /** Bytes of the largest IP packet that it takes. */
  readonly mtu: number;
}

/** One way through it. */
export interface Direction {
  /** Stands before what is wrong. */
  readonly what: string;
  readonly from: PodEnd;
  readonly to: PodEnd;
  readonly mtu: number;
}

export const directionsOf = ({ near, far, mtu }: Cell): readonly Direction[] => [
  { what: '→', from: near, to: far, mtu },
  { what: '←', from: far, to: near, mtu },
];

export class PodEnd {
  readonly namespace: TestNamespace;
  readonly device: Link;
  readonly mac: string;
  /** Without prefix lengths. */
  readonly addresses: Readonly<Record<Version, string>>;

  /** @throws Error when a version of IP has no address, or the device no MAC */
  constructor(namespace: TestNamespace, device: Link, addresses: readonly string[]) {
    const bare = addresses.map((address) => address.replace(/\/\d+$/, ''));
    const [four, six] = [false, true].map((colon) => bare.find((one) => one.includes(':') === colon));
    const { mac } = device;
    if (!four || !six || !mac) throw new Error(`${device.name}: ${mac} with ${bare.join(', ')}`);
    this.namespace = namespace;
    this.device = device;
    this.mac = mac;
    this.addresses = { 4: four, 6: six };
  }

  /** Gets what comes with an IP protocol. */
  protocol(version: Version, protocol: number): IpSocket {
    const { namespace, device } = this;
    return new IpSocket(namespace.namespace, { version, kind: { protocol }, device: device.name });
  }

  /** @param port 0: any. */
  udp(version: Version, port: number): IpSocket {
    const { namespace, device } = this;
    return new IpSocket(namespace.namespace, { version, kind: { port }, device: device.name });
  }

  /** A TCP socket, for the caller to bind or connect, and to close. */
  tcp(version: Version): number {
    return tcpSocket(this.namespace.namespace, version, this.device.name);
  }

  /** Sends any frame, with whatever left to do; sees what comes in. */
  frames(): PacketSocket {
    return new PacketSocket(this.namespace.namespace, this.device.index, { incoming: true, offloads: true });
  }
}
