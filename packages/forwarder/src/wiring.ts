// The interface behind which every way of joining the two sides of a cross-connect stands.
import type { forwarder as fw, InterfaceType, TunnelType } from '@nsm/api';
import type { Link, RouteLookup, RouteSocket } from '@nsm/netlink';
import type { OpenPort } from './open-port.js';

export type Side = 'client' | 'endpoint';

/** The sides of a cross-connect that lie on this node, opened: both when it is local, one when it has a tunnel. */
export type OpenPorts = Partial<Record<Side, OpenPort>>;

/** A network device in a pod, by the side it serves. */
export interface Device {
  readonly side: Side;
  readonly index: number;
  readonly name: string;
  /** False when it was there before and only has to be brought up to date. */
  readonly fresh: boolean;
}

/** What a wiring may use of the node: a socket in the node's own network namespace. */
export interface Node {
  readonly socket: RouteSocket;
}

export interface Wiring {
  /** What carries the packets, for people: "kernel vxlan device". */
  readonly engine: string;
  /** The interface type it attaches pods by. */
  readonly interface: InterfaceType;
  /** That of the endpoint, where it is another than the client's. */
  readonly endpointInterface?: InterfaceType;
  /** The tunnel type it joins nodes by; absent when it joins two pods of one node. */
  readonly tunnel?: TunnelType;
  /** Names of the physical networks it joins pods by; absent where it makes the wire itself. */
  readonly pools?: readonly string[];
  /** Bytes of underlay packet that are not the pod's, by version of IP underlay. */
  readonly overhead?: Readonly<Record<4 | 6, number>>;
  /** Registered UDP port, where the kind has one. */
  readonly port?: number;
  /** Kind of the pods' devices, where several engines do the same: what one has made stays that one's. */
  readonly deviceKind?: string;

  /**
   * Finds out by trying whether this kernel and these privileges can do it.
   * @returns what is missing and why, or '' when it works.
   */
  probe(node: Node): string;

  /**
   * Says why it cannot reach another node by a route through a device, or '' when it can.
   * Left out by what goes wherever IP does.
   */
  obstacle?(route: RouteLookup, uplink: Link | undefined): string;

  /** What others have put in the way of its packets on this node and may end it, for people: one line each. */
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
