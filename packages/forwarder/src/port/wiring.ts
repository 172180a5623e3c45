// The interface behind which every way of joining the two sides of a cross-connect stands.
import type { forwarder as fw, InterfaceType, TunnelType } from '@nsm/api';
import type { Link, RouteLookup, RouteSocket } from '@nsm/netlink';
import type { OpenPort } from './open-port.js';

export type Side = 'client' | 'endpoint';

/** The sides of a cross-connect that lie on this node, opened: both of a local cross-connect, one of a cross-connect with a tunnel. */
export type OpenPorts = Partial<Record<Side, OpenPort>>;

/** A network device in a pod, by the side it serves. */
export interface Device {
  readonly side: Side;
  readonly index: number;
  readonly name: string;
  /** False when the device was there before and only has to be brought up to date. */
  readonly fresh: boolean;
  /** Index of the device's other end where that is the node's, not the other pod's: it, too, must send before the other side answers. */
  readonly nodeEnd?: number;
}

/** What a wiring may use of the node: a socket in the node's own network namespace. */
export interface Node {
  readonly socket: RouteSocket;
}

export interface Wiring {
  /** What carries the packets, for people: "kernel vxlan device". */
  readonly engine: string;
  /** The interface type by which the wiring attaches pods. */
  readonly interface: InterfaceType;
  /** The endpoint's interface type, where that differs from the client's. */
  readonly endpointInterface?: InterfaceType;
  /** The tunnel type by which the wiring joins nodes; absent when the wiring joins two pods of one node. */
  readonly tunnel?: TunnelType;
  /** Names of the physical networks by which the wiring joins pods; absent where the wiring makes the wire itself. */
  readonly pools?: readonly string[];
  /** Bytes of underlay packet that are not the pod's, by version of IP underlay. */
  readonly overhead?: Readonly<Record<4 | 6, number>>;
  /** Bytes of the largest underlay packet that the wiring can make, where that is less than the underlay may carry. */
  readonly largest?: number;
  /** Registered UDP port, where the kind has one. */
  readonly port?: number;
  /** Kind of the pods' devices, where several engines do the same: a device stays with the engine that made it. */
  readonly deviceKind?: string;

  /**
   * Finds out by trying whether the wiring works with this kernel and these privileges.
   * @returns what is missing and why, or '' when it works.
   */
  probe(node: Node): string;

  /**
   * Says why the wiring cannot reach another node by a route through a device, or '' when it can.
   * Left out by wirings that go wherever IP does.
   */
  obstacle?(route: RouteLookup, uplink: Link | undefined): string;

  /** Programs of others on this node that may keep packets from the wiring, for people: one line each. */
  inTheWay?(): readonly string[];

  /**
   * Makes the devices exist, without addresses, and finds those that already do. What exists with other
   * parameters is replaced by `remove` and made again.
   * @throws NetlinkError; then no device of this cross-connect was added to a pod.
   */
  connect(
    crossConnect: fw.CrossConnect,
    ports: OpenPorts,
    node: Node,
    remove: (device: Device) => void,
  ): Device[] | Promise<Device[]>;
}
