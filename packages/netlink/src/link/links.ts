// Operations on links over one netlink socket.
import { DecodeError } from '../decode-error.js';
import { ENODEV, ENOENT } from '../libc/errno.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';
import { type MessageWriter, NLM_F_CREATE, NLM_F_EXCL } from '../protocol/message.js';
import type { DumpOptions } from '../protocol/netlink-request.js';
import { NetlinkSocket } from '../protocol/netlink-socket.js';
import { NETLINK_ROUTE, RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK } from '../protocol/route-messages.js';
import { decodeLink, IFLA, IFLA_INFO_KIND, type Link } from './link.js';
import { checkAlias, encodeLinkChanges, encodeLinkHeader, encodeLinkSpec } from './link-encode.js';
import type {
  LinkChanges,
  LinkFilter,
  LinkReference,
  LinkSpec,
  NetlinkLinkSpec,
  PeerSpec,
  TapSpec,
} from './link-spec.js';
import { keepTap, openTap } from './tap.js';
import { decodeVirtualFunctions, type VirtualFunction } from './virtual-functions.js';

// IFLA_EXT_MASK (linux/rtnetlink.h): leaves out IPv6's counters of each link, a third of the answer; IFLA_STATS64 stays.
const RTEXT_FILTER_SKIP_STATS = 8;
const RTEXT_FILTER_VF = 1;
// IFNAMSIZ − 1: longer ones can only be alternative names.
const MAXIMUM_NAME = 15;

/** How a reference to a link reads in an error. */
const describeLink = (link: LinkReference): string => (typeof link === 'number' ? `#${link}` : link);

const encodeReference = (writer: MessageWriter, link: LinkReference): void => {
  encodeLinkHeader(writer, typeof link === 'number' ? link : 0);
  if (typeof link === 'string')
    writer.string(Buffer.byteLength(link) > MAXIMUM_NAME ? IFLA.altName : IFLA.name, link);
};

/** See `RouteSocket.links`. */
export const listLinks = (socket: NetlinkSocket, filter: LinkFilter & DumpOptions): Link[] => {
  const { kind, master, group } = filter;
  return socket.dump(
    { type: RTM_GETLINK, operation: 'list links', object: '' },
    (writer) => {
      encodeLinkHeader(writer, 0);
      writer.u32(IFLA.extensionMask, RTEXT_FILTER_SKIP_STATS);
      if (master !== undefined) writer.u32(IFLA.master, master);
      if (kind !== undefined) writer.nest(IFLA.linkInfo, () => writer.string(IFLA_INFO_KIND, kind));
    },
    (message) => {
      if (message.type !== RTM_NEWLINK) return undefined;
      const link = decodeLink(message);
      // Kinds whose module is not loaded, and kernels older than 4.4, are not filtered by the kernel.
      if (kind !== undefined && link.kind !== kind) return undefined;
      return group === undefined || link.group === group ? link : undefined;
    },
    filter,
  );
};

/** See `RouteSocket.link`. */
export const findLink = (socket: NetlinkSocket, link: LinkReference): Link | undefined =>
  socket.find(
    { type: RTM_GETLINK, operation: 'get link', object: describeLink(link) },
    (writer) => {
      encodeReference(writer, link);
      writer.u32(IFLA.extensionMask, RTEXT_FILTER_SKIP_STATS);
    },
    decodeLink,
    [ENODEV, ENOENT],
  );

/** See `RouteSocket.virtualFunctions`. */
export const listVirtualFunctions = (socket: NetlinkSocket, link: LinkReference): VirtualFunction[] =>
  socket.get(
    { type: RTM_GETLINK, operation: 'list virtual functions', object: `of ${describeLink(link)}` },
    (writer) => {
      encodeReference(writer, link);
      writer.u32(IFLA.extensionMask, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
    },
    decodeVirtualFunctions,
  );

const addRequest = (
  spec: NetlinkLinkSpec,
): { type: number; flags: number; operation: string; object: string } => ({
  type: RTM_NEWLINK,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  operation: 'add link',
  object: spec.namespace === undefined ? spec.name : `${spec.name} for netns ${spec.namespace.inode}`,
});

interface LinkEnd {
  readonly name: string;
  readonly index?: number | undefined;
  readonly namespace?: NetworkNamespace | undefined;
  readonly alias?: string | undefined;
}

const isPattern = (name: string): boolean => name.includes('%');

// What the kernel does not take when it makes a link: an alias (net/core/rtnetlink.c, rtnl_create_link), and for the peer
// of a veth to be up, since it has no other end yet at that moment (drivers/net/veth.c, veth_open: ENOTCONN).
const finish = (socket: NetlinkSocket, spec: LinkEnd, changes: LinkChanges): void => {
  if (Object.keys(changes).length === 0) return;
  const link = spec.index ?? spec.name;
  if (spec.namespace === undefined) {
    changeLink(socket, link, changes);
    return;
  }
  using there = NetlinkSocket.open(NETLINK_ROUTE, spec.namespace);
  changeLink(there, link, changes);
};

const aliasOf = (spec: LinkEnd): LinkChanges => (spec.alias === undefined ? {} : { alias: spec.alias });

const peerChanges = (peer: PeerSpec): LinkChanges => ({
  ...aliasOf(peer),
  ...(peer.up === true ? { up: true } : {}),
});

const checkEnd = (socket: NetlinkSocket, spec: LinkEnd, changes: LinkChanges): void => {
  checkAlias(spec.alias);
  if (Object.keys(changes).length === 0) return;
  if (isPattern(spec.name) && spec.index === undefined)
    throw new DecodeError(
      `alias or peer up for ${spec.name}: a link whose name the kernel chooses needs an index`,
    );
  if (spec.namespace !== undefined && socket.batching)
    throw new TypeError(`alias or peer up for ${spec.name}: in a batch only for links of the same namespace`);
};

const isTap = (spec: LinkSpec): spec is TapSpec => spec.kind === 'tun' || spec.kind === 'tap';

/** See `RouteSocket.addLink`. */
export const addLink = (socket: NetlinkSocket, spec: LinkSpec): void => {
  if (isTap(spec)) {
    addTap(socket, spec);
    return;
  }
  checkEnd(socket, spec, aliasOf(spec));
  const peer = spec.kind === 'veth' ? spec.peer : undefined;
  if (peer !== undefined) checkEnd(socket, peer, peerChanges(peer));
  socket.request(addRequest(spec), (writer) => encodeLinkSpec(writer, spec));
  finish(socket, spec, aliasOf(spec));
  if (peer !== undefined) finish(socket, peer, peerChanges(peer));
};

/** See `RouteSocket.createLink`. */
export const createLink = (socket: NetlinkSocket, spec: NetlinkLinkSpec): Link => {
  if (spec.namespace !== undefined)
    throw new TypeError('createLink: the kernel describes only links made in the namespace of the socket');
  checkAlias(spec.alias);
  const peer = spec.kind === 'veth' ? spec.peer : undefined;
  if (peer !== undefined) checkEnd(socket, peer, peerChanges(peer));
  let made: Link | undefined;
  const take = (message: Parameters<typeof decodeLink>[0]): void => {
    if (message.type === RTM_NEWLINK) made = decodeLink(message);
  };
  socket.requestEcho(addRequest(spec), (writer) => encodeLinkSpec(writer, spec), take);
  // Kernels before 6.2 do not echo.
  if (made === undefined && !isPattern(spec.name)) made = findLink(socket, spec.name);
  if (made === undefined) throw new DecodeError(`the kernel did not say which link it made of ${spec.name}`);
  finish(socket, { name: made.name, index: made.index }, aliasOf(spec));
  if (peer !== undefined) finish(socket, peer, peerChanges(peer));
  return { ...made, alias: spec.alias };
};

const addTap = (socket: NetlinkSocket, spec: TapSpec): void => {
  using own = spec.namespace === undefined ? socket.openNamespace() : undefined;
  using tap = openTap({ ...spec, namespace: spec.namespace ?? own });
  using there = spec.namespace === undefined ? undefined : NetlinkSocket.open(NETLINK_ROUTE, spec.namespace);
  const {
    kind: _kind,
    name: _name,
    namespace: _namespace,
    multiQueue: _queue,
    vnetHeader: _header,
    ...changes
  } = spec;
  if (Object.keys(changes).length > 0) changeLink(there ?? socket, tap.name, changes);
  // Until it is what it is to be, it goes with this process.
  keepTap(tap);
};

/** See `RouteSocket.setLink`. */
export const changeLink = (socket: NetlinkSocket, link: LinkReference, changes: LinkChanges): void => {
  const request = { type: RTM_NEWLINK, operation: 'set link', object: describeLink(link) };
  if (typeof link === 'number') {
    socket.request(request, (writer) => encodeLinkChanges(writer, link, changes));
    return;
  }
  // IFLA_IFNAME either finds a link or renames it: to rename, the index must be known.
  if (changes.name !== undefined) {
    const found = findLink(socket, link);
    if (found === undefined) throw socket.error(ENODEV, request);
    changeLink(socket, found.index, changes);
    return;
  }
  socket.request(request, (writer) => {
    encodeLinkChanges(writer, 0, changes);
    writer.string(Buffer.byteLength(link) > MAXIMUM_NAME ? IFLA.altName : IFLA.name, link);
  });
};

/** See `RouteSocket.deleteLink`. */
export const deleteLink = (socket: NetlinkSocket, link: LinkReference): void =>
  socket.request({ type: RTM_DELLINK, operation: 'delete link', object: describeLink(link) }, (writer) =>
    encodeReference(writer, link),
  );

/** See `RouteSocket.deleteGroup`. */
export const deleteGroup = (socket: NetlinkSocket, group: number): void => {
  if (group === 0) throw new DecodeError('group 0 is every link: it cannot be deleted');
  socket.request({ type: RTM_DELLINK, operation: 'delete link group', object: String(group) }, (writer) => {
    encodeLinkHeader(writer, 0);
    writer.u32(IFLA.group, group);
  });
};
