// Ids by which one namespace knows others: codec and operations (linux/net_namespace.h).

import { ENOENT } from '../libc/errno.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import { attributesOf, type Message } from '../protocol/message.js';
import type { NetlinkSocket } from '../protocol/netlink-socket.js';
import { RTM_GETNSID, RTM_NEWNSID } from '../protocol/route-messages.js';

const HEADER_SIZE = 4;
const NETNSA = { id: 1, fd: 3 } as const;

/** Means: none yet, and when setting: choose one. */
export const NAMESPACE_ID_NONE = -1;

const encode = (writer: AttributeWriter, namespace: NetworkNamespace): void => {
  writer.reserve(HEADER_SIZE);
  writer.u32(NETNSA.fd, namespace.fd);
};

/** Reads the id out of RTM_NEWNSID or RTM_DELNSID. @throws DecodeError */
export const decodeNamespaceId = (message: Message): number =>
  attributesOf(message, HEADER_SIZE).s32(NETNSA.id) ?? NAMESPACE_ID_NONE;

/** See `RouteSocket.namespaceId`. */
export const namespaceId = (socket: NetlinkSocket, namespace: NetworkNamespace): number | undefined => {
  const id = socket.get(
    { type: RTM_GETNSID, operation: 'get namespace id', object: `of netns ${namespace.inode}` },
    (writer) => encode(writer, namespace),
    decodeNamespaceId,
  );
  return id === NAMESPACE_ID_NONE ? undefined : id;
};

/** See `RouteSocket.isNamespaceIdTaken`. */
export const isNamespaceIdTaken = (socket: NetlinkSocket, id: number): boolean =>
  socket.find(
    { type: RTM_GETNSID, operation: 'look for namespace id', object: String(id) },
    (writer) => {
      writer.reserve(HEADER_SIZE);
      writer.s32(NETNSA.id, id);
    },
    decodeNamespaceId,
    [ENOENT],
  ) !== undefined;

/** See `RouteSocket.setNamespaceId`. */
export const setNamespaceId = (socket: NetlinkSocket, namespace: NetworkNamespace, id: number): void =>
  socket.request(
    { type: RTM_NEWNSID, operation: 'set namespace id', object: `${id} of netns ${namespace.inode}` },
    (writer) => {
      encode(writer, namespace);
      writer.s32(NETNSA.id, id);
    },
  );
