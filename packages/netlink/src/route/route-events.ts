// What a RouteMonitor reports: decoding of multicast messages, and the groups they come in (linux/rtnetlink.h).

import { decodeLink, type Link } from '../link/link.js';
import { attributesOf, type Message, NLM_F_REPLACE } from '../protocol/message.js';
import * as rtm from '../protocol/route-messages.js';
import { decodeTrafficHeader, TRAFFIC_HEADER_SIZE } from '../tc/tc-handles.js';
import { type Address, decodeAddress } from './addresses.js';
import { decodeNamespaceId } from './namespace-ids.js';
import { decodeNeighbour, type Neighbour } from './neighbours.js';
import { decodeRoute, type Route } from './routes.js';

/** Multicast groups by what they tell of: RTNLGRP_ numbers. */
export const MONITOR_GROUPS = {
  link: [1],
  neighbour: [3],
  traffic: [4],
  address: [5, 9],
  route: [7, 11],
  setting: [24],
  nsid: [28],
} as const;

/** What can be listened to. */
export type MonitorGroup = keyof typeof MONITOR_GROUPS;

/** `struct netconfmsg`, aligned, and attributes behind it: linux/netconf.h. */
const NETCONF_HEADER_SIZE = 4;
const NETCONFA_IFINDEX = 1;
const NETCONFA_RP_FILTER = 3;

interface Origin {
  /** `new` also for changes. */
  readonly action: 'new' | 'delete';
  /** Id of the namespace it happened in, as the monitor's namespace knows it; undefined for the monitor's own. */
  readonly namespaceId: number | undefined;
}

/**
 * Something that happened.
 *
 * - `traffic` tells that a qdisc or filter on a device came, changed or went;
 * - `setting` tells that reverse path filtering of IPv4 was set on a device, or (undefined) on all;
 * - `nsid` tells that the namespace known as `id` got that id, or (`delete`) that it is gone;
 * - `overrun` tells that events were lost: read everything anew.
 */
export type RouteEvent =
  | ({ readonly type: 'link'; readonly link: Link } & Origin)
  | ({ readonly type: 'address'; readonly address: Address } & Origin)
  | ({ readonly type: 'route'; readonly route: Route } & Origin)
  | ({ readonly type: 'neighbour'; readonly neighbour: Neighbour } & Origin)
  | ({ readonly type: 'traffic'; readonly device: number } & Origin)
  | ({ readonly type: 'setting'; readonly device: number | undefined } & Origin)
  | ({ readonly type: 'nsid'; readonly id: number } & Origin)
  | { readonly type: 'overrun' };

// The types of a kind follow each other: RTM_NEW, RTM_DEL, RTM_GET, RTM_SET (linux/rtnetlink.h).
const isDeletion = (type: number): boolean => (type & 3) === 1;

/** Index of the device whose traffic control changed. @throws DecodeError */
const deviceOf = (message: Message): number => {
  // Checks the length too.
  attributesOf(message, TRAFFIC_HEADER_SIZE);
  return decodeTrafficHeader(message).device;
};

/** Index of the device whose settings changed (linux/netconf.h); those of all have a negative one. @throws DecodeError */
const deviceOfSetting = (message: Message): number | undefined => {
  const attributes = attributesOf(message, NETCONF_HEADER_SIZE);
  const device = (attributes.u32(NETCONFA_IFINDEX) ?? 0) | 0;
  return device > 0 ? device : undefined;
};

/** Decodes what is told of settings; undefined for those that are of no concern. @throws DecodeError */
const decodeSetting = (message: Message, origin: Origin): RouteEvent | undefined =>
  attributesOf(message, NETCONF_HEADER_SIZE).u32(NETCONFA_RP_FILTER) === undefined
    ? undefined
    : { type: 'setting', device: deviceOfSetting(message), ...origin };

/**
 * Whether a message may tell that something was taken away or changed, found out without decoding it: deletions, a route put in
 * the place of another, and every word of a link, which may be down or have another MTU.
 */
export const mayTellOfLoss = ({ type, flags }: Message): boolean =>
  isDeletion(type) ||
  type === rtm.RTM_NEWLINK ||
  (type === rtm.RTM_NEWROUTE && (flags & NLM_F_REPLACE) !== 0);

/** Decodes one message; undefined for those that tell nothing. @throws DecodeError */
export const decodeRouteEvent = (
  message: Message,
  namespaceId: number | undefined,
): RouteEvent | undefined => {
  const created = { action: 'new', namespaceId } as const;
  const deleted = { action: 'delete', namespaceId } as const;
  switch (message.type) {
    case rtm.RTM_NEWLINK:
      return { type: 'link', link: decodeLink(message), ...created };
    case rtm.RTM_DELLINK:
      return { type: 'link', link: decodeLink(message), ...deleted };
    case rtm.RTM_NEWADDR:
      return { type: 'address', address: decodeAddress(message), ...created };
    case rtm.RTM_DELADDR:
      return { type: 'address', address: decodeAddress(message), ...deleted };
    case rtm.RTM_NEWROUTE:
      return { type: 'route', route: decodeRoute(message), ...created };
    case rtm.RTM_DELROUTE:
      return { type: 'route', route: decodeRoute(message), ...deleted };
    case rtm.RTM_NEWNEIGH:
      return { type: 'neighbour', neighbour: decodeNeighbour(message), ...created };
    case rtm.RTM_DELNEIGH:
      return { type: 'neighbour', neighbour: decodeNeighbour(message), ...deleted };
    case rtm.RTM_NEWQDISC:
    case rtm.RTM_NEWTFILTER:
      return { type: 'traffic', device: deviceOf(message), ...created };
    case rtm.RTM_DELQDISC:
    case rtm.RTM_DELTFILTER:
      return { type: 'traffic', device: deviceOf(message), ...deleted };
    case rtm.RTM_NEWNETCONF:
      return decodeSetting(message, created);
    case rtm.RTM_NEWNSID:
      return { type: 'nsid', id: decodeNamespaceId(message), ...created };
    case rtm.RTM_DELNSID:
      return { type: 'nsid', id: decodeNamespaceId(message), ...deleted };
    default:
      return undefined;
  }
};
