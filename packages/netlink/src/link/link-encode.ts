// Encoding RTM_NEWLINK: links to make and changes to links (linux/if_link.h).

import { DecodeError } from '../decode-error.js';
import { AF_INET, AF_INET6, AF_UNSPEC } from '../libc/libc.js';
import { NamespaceError } from '../namespaces/namespace-error.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import { IFF_UP, IFLA, IFLA_INFO_DATA, IFLA_INFO_KIND, LINK_HEADER_SIZE } from './link.js';
import { encodeBridge, encodeMacvlan, encodeVlan, encodeVxlan } from './link-kinds.js';
import type { CommonLinkSpec, Ipv6AddressGeneration, LinkChanges, NetlinkLinkSpec } from './link-spec.js';
import { encodeVfChanges } from './virtual-functions.js';

const VETH_INFO_PEER = 1;
/** RFC 7348; the kernel's own default is the older 8472. */
const VXLAN_PORT = 4789;
const MAXIMUM_ALIAS = 255;
const IFLA_INET6_ADDR_GEN_MODE = 8;
/** linux/if_link.h and linux/ip.h. */
const IFLA_INET_CONF = 1;
const IPV4_DEVCONF_FORWARDING = 1;
/** IN6_ADDR_GEN_MODE_ of linux/if_link.h. */
const IPV6_ADDRESS_GENERATION: Readonly<Record<Ipv6AddressGeneration, number>> = { eui64: 0, none: 1 };

/** Writes `struct ifinfomsg`; `up` undefined leaves the link as it is. */
export const encodeLinkHeader = (writer: AttributeWriter, index: number, up?: boolean): void => {
  const at = writer.reserve(LINK_HEADER_SIZE);
  writer.bytes.writeUInt8(AF_UNSPEC, at);
  writer.bytes.writeInt32LE(index, at + 4);
  writer.bytes.writeUInt32LE(up === true ? IFF_UP : 0, at + 8);
  writer.bytes.writeUInt32LE(up === undefined ? 0 : IFF_UP, at + 12);
};

/** @throws DecodeError when the alias is longer than the kernel takes. */
export const checkAlias = (alias: string | undefined): void => {
  if (alias !== undefined && Buffer.byteLength(alias) > MAXIMUM_ALIAS)
    throw new DecodeError(`link alias of more than ${MAXIMUM_ALIAS} bytes`);
};

const encodeCommon = (writer: AttributeWriter, spec: Omit<CommonLinkSpec, 'name' | 'alias'>): void => {
  if (spec.mac !== undefined) writer.mac(IFLA.address, spec.mac);
  if (spec.mtu !== undefined) writer.u32(IFLA.mtu, spec.mtu);
  if (spec.group !== undefined) writer.u32(IFLA.group, spec.group);
  if (spec.master !== undefined) writer.u32(IFLA.master, spec.master);
  if (spec.txQueueLength !== undefined) writer.u32(IFLA.txQueueLength, spec.txQueueLength);
  if (spec.numTxQueues !== undefined) writer.u32(IFLA.numTxQueues, spec.numTxQueues);
  if (spec.numRxQueues !== undefined) writer.u32(IFLA.numRxQueues, spec.numRxQueues);
  if (spec.linkNamespaceId !== undefined) writer.s32(IFLA.linkNamespaceId, spec.linkNamespaceId);
  const { namespace } = spec;
  if (namespace !== undefined) {
    if (namespace.fd < 0) throw new NamespaceError('not-found', namespace.path, 'it has been closed');
    writer.u32(IFLA.namespaceFd, namespace.fd);
  }
};

const encodeData = (writer: AttributeWriter, spec: NetlinkLinkSpec): void => {
  switch (spec.kind) {
    case 'veth':
      writer.nest(VETH_INFO_PEER, () => {
        encodeLinkHeader(writer, spec.peer.index ?? 0);
        writer.string(IFLA.name, spec.peer.name);
        encodeCommon(writer, spec.peer);
      });
      return;
    case 'vxlan':
      encodeVxlan(writer, { ...spec, port: spec.port ?? VXLAN_PORT });
      return;
    case 'bridge':
      encodeBridge(writer, spec);
      return;
    case 'macvlan':
      encodeMacvlan(writer, spec.mode ?? 'bridge');
      return;
    case 'vlan':
      encodeVlan(writer, spec.id, spec.protocol ?? '802.1Q');
      return;
    case 'dummy':
    case 'ifb':
      return;
  }
};

/** Writes the body of a request that makes a link; alias and the peer's `up` are left out (see `addLink`). @throws DecodeError */
export const encodeLinkSpec = (writer: AttributeWriter, spec: NetlinkLinkSpec): void => {
  encodeLinkHeader(writer, spec.index ?? 0, spec.up === true ? true : undefined);
  writer.string(IFLA.name, spec.name);
  encodeCommon(writer, spec);
  // A vxlan's lower device goes by IFLA_VXLAN_LINK.
  if (spec.kind === 'macvlan' || spec.kind === 'vlan') writer.u32(IFLA.link, spec.link);
  writer.nest(IFLA.linkInfo, () => {
    writer.string(IFLA_INFO_KIND, spec.kind);
    writer.nest(IFLA_INFO_DATA, () => encodeData(writer, spec));
  });
};

/** Writes the body of a request that changes the link `index`. @throws DecodeError */
export const encodeLinkChanges = (writer: AttributeWriter, index: number, changes: LinkChanges): void => {
  encodeLinkHeader(writer, index, changes.up);
  if (changes.name !== undefined) writer.string(IFLA.name, changes.name);
  if (changes.alias !== undefined) {
    checkAlias(changes.alias);
    writer.string(IFLA.alias, changes.alias);
  }
  encodeCommon(writer, changes);
  const { ipv6AddressGeneration, ipv4Forwarding } = changes;
  if (ipv6AddressGeneration !== undefined || ipv4Forwarding !== undefined)
    writer.nest(IFLA.familySpec, () => {
      if (ipv4Forwarding !== undefined)
        writer.nest(AF_INET, () =>
          writer.nest(IFLA_INET_CONF, () => writer.u32(IPV4_DEVCONF_FORWARDING, ipv4Forwarding ? 1 : 0)),
        );
      if (ipv6AddressGeneration !== undefined)
        writer.nest(AF_INET6, () =>
          writer.u8(IFLA_INET6_ADDR_GEN_MODE, IPV6_ADDRESS_GENERATION[ipv6AddressGeneration]),
        );
    });
  const { vxlan, bridge, virtualFunctions } = changes;
  if (virtualFunctions !== undefined) encodeVfChanges(writer, virtualFunctions);
  if (vxlan !== undefined || bridge !== undefined)
    writer.nest(IFLA.linkInfo, () => {
      writer.string(IFLA_INFO_KIND, vxlan === undefined ? 'bridge' : 'vxlan');
      writer.nest(IFLA_INFO_DATA, () => {
        if (vxlan !== undefined) encodeVxlan(writer, vxlan);
        else if (bridge !== undefined) encodeBridge(writer, bridge);
      });
    });
};
