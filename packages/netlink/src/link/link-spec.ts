// What a link shall be: the arguments for making and changing links.

import type { NetworkNamespace } from '../namespaces/network-namespace.js';
import type { BridgeOptions, MacvlanMode, VxlanOptions } from './link-kinds.js';
import type { VfChanges } from './virtual-functions.js';

/** A link by its index or by its name. Names can be given to another link at any moment: prefer the index. */
export type LinkReference = number | string;

/** What every link can be given when it is made. */
export interface CommonLinkSpec {
  /** 1–15 bytes. A `%d` is replaced by the lowest free number, from 0. */
  readonly name: string;
  /** Index to be had; default the next free one. EBUSY when taken. */
  readonly index?: number | undefined;
  /** Where the link is born; default the socket's namespace. */
  readonly namespace?: NetworkNamespace | undefined;
  /**
   * Id, as the socket's namespace knows it, of the namespace that `link` and the outer side of a tunnel are in; default
   * the socket's own.
   */
  readonly linkNamespaceId?: number | undefined;
  /** Hardware address, default random. */
  readonly mac?: string | undefined;
  /** Bytes. */
  readonly mtu?: number | undefined;
  /** Default false. */
  readonly up?: boolean | undefined;
  /** Free text, at most 255 bytes. The kernel takes it only afterwards: it costs one more request. */
  readonly alias?: string | undefined;
  /** Number for deleting many links at once; default 0, the group of everything. */
  readonly group?: number | undefined;
  /** Index of the bridge, bond or VRF to join. */
  readonly master?: number | undefined;
  /** Packets. */
  readonly txQueueLength?: number | undefined;
  readonly numTxQueues?: number | undefined;
  readonly numRxQueues?: number | undefined;
}

/**
 * The other end of a veth pair. `up` and `alias` cost one more request, over a socket opened for it when the peer is born
 * in another namespace; who has a socket there anyway may leave them to `setLink`.
 */
export type PeerSpec = Omit<CommonLinkSpec, 'linkNamespaceId' | 'master'>;

/** A pair of Ethernet devices; what goes in at one end comes out at the other. The ends can be born apart. */
export interface VethSpec extends CommonLinkSpec {
  readonly kind: 'veth';
  readonly peer: PeerSpec;
}

/**
 * A VXLAN tunnel. Its UDP socket stays in the namespace of the netlink socket (or of `linkNamespaceId`), also when the
 * device is born elsewhere.
 */
export interface VxlanSpec extends CommonLinkSpec, VxlanOptions {
  readonly kind: 'vxlan';
}

export interface BridgeSpec extends CommonLinkSpec, BridgeOptions {
  readonly kind: 'bridge';
}

export interface MacvlanSpec extends CommonLinkSpec {
  readonly kind: 'macvlan';
  /** Index of the lower device. */
  readonly link: number;
  /** Default `bridge`; the kernel's own is `vepa`. */
  readonly mode?: MacvlanMode | undefined;
}

export interface VlanSpec extends CommonLinkSpec {
  readonly kind: 'vlan';
  /** Index of the lower device. */
  readonly link: number;
  /** 0–4094. */
  readonly id: number;
  /** Default `802.1Q`. */
  readonly protocol?: '802.1Q' | '802.1ad' | undefined;
}

/** A device without settings of its own; `dummy` swallows everything, `ifb` takes packets redirected by tc. */
export interface PlainSpec extends CommonLinkSpec {
  readonly kind: 'dummy' | 'ifb';
}

/** A persistent TUN (IP packets) or TAP (Ethernet frames) device; see `openTap` for one that lives with its descriptor. */
export interface TapSpec
  extends Omit<CommonLinkSpec, 'linkNamespaceId' | 'numTxQueues' | 'numRxQueues' | 'index'> {
  readonly kind: 'tun' | 'tap';
  /** Default false. */
  readonly multiQueue?: boolean | undefined;
  /** Each packet preceded by a `struct virtio_net_hdr`. Default false. */
  readonly vnetHeader?: boolean | undefined;
}

/** Everything that can be made by RTM_NEWLINK. */
export type NetlinkLinkSpec = VethSpec | VxlanSpec | BridgeSpec | MacvlanSpec | VlanSpec | PlainSpec;

/** A link to make. */
export type LinkSpec = NetlinkLinkSpec | TapSpec;

/**
 * How a link gets its link-local IPv6 address when it comes up: from its hardware address (RFC 4291, appendix A), or not
 * at all, which spares it neighbour discovery and multicast listener reports of its own.
 */
export type Ipv6AddressGeneration = 'eui64' | 'none';

/** What to change about a link; what is left out stays. */
export interface LinkChanges {
  /** Needs the link to be down before Linux 6.2. */
  readonly name?: string | undefined;
  /**
   * Moves the link. Costs some 20 ms and loses its addresses, and the name may collide there: better let it be born
   * where it shall live.
   */
  readonly namespace?: NetworkNamespace | undefined;
  readonly mac?: string | undefined;
  /** Bytes. */
  readonly mtu?: number | undefined;
  readonly up?: boolean | undefined;
  /** At most 255 bytes; empty removes it. */
  readonly alias?: string | undefined;
  readonly group?: number | undefined;
  /** Index of the bridge, bond or VRF to join; 0 to leave it. */
  readonly master?: number | undefined;
  /** Packets. */
  readonly txQueueLength?: number | undefined;
  /**
   * The kernel heeds it last, after `up`, and not at all when it makes a link: it has to be a change of its own before
   * the one that brings the link up. EAFNOSUPPORT for a link without IPv6: the kernel has none, or the MTU is below 1280.
   */
  readonly ipv6AddressGeneration?: Ipv6AddressGeneration | undefined;
  /** Whether IPv4 packets that come in by the link are passed on, whatever net.ipv4.ip_forward says; IPv6 has no such setting here. */
  readonly ipv4Forwarding?: boolean | undefined;
  /** Changes to a vxlan device. */
  readonly vxlan?: Omit<VxlanOptions, 'id'> | undefined;
  /** Changes to a bridge. */
  readonly bridge?: BridgeOptions | undefined;
  /** Changes to virtual functions of a physical one. EOPNOTSUPP: its driver does not know the setting. */
  readonly virtualFunctions?: readonly VfChanges[] | undefined;
}

/** Which links to list. */
export interface LinkFilter {
  /** `veth`, `vxlan` …; the kernel does the filtering. */
  readonly kind?: string | undefined;
  /** Index of the bridge, bond or VRF they belong to; the kernel does the filtering. */
  readonly master?: number | undefined;
  readonly group?: number | undefined;
}
