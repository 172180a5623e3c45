// The handle most users want: one rtnetlink socket in one namespace, and everything that can be done over it.

import { type DriverInfo, driverInfo } from '../link/driver-info.js';
import type { Link } from '../link/link.js';
import type { LinkChanges, LinkFilter, LinkReference, LinkSpec, NetlinkLinkSpec } from '../link/link-spec.js';
import * as links from '../link/links.js';
import type { VirtualFunction } from '../link/virtual-functions.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';
import type { DumpOptions } from '../protocol/netlink-request.js';
import { NetlinkSocket } from '../protocol/netlink-socket.js';
import { NETLINK_ROUTE } from '../protocol/route-messages.js';
import type { Family } from '../protocol/route-names.js';
import type { Filter, FilterReference, FilterSpec } from '../tc/filters.js';
import * as filters from '../tc/filters.js';
import { addClass, type HtbClassSpec } from '../tc/htb-classes.js';
import type { Qdisc, QdiscSpec } from '../tc/qdiscs.js';
import * as qdiscs from '../tc/qdiscs.js';
import type { TrafficParent } from '../tc/tc-handles.js';
import type { Address, AddressFilter, AddressSpec } from './addresses.js';
import * as addresses from './addresses.js';
import * as ids from './namespace-ids.js';
import * as neighbours from './neighbour-operations.js';
import type { ForwardingSpec, Neighbour, NeighbourFilter, NeighbourSpec } from './neighbours.js';
import type { RouteConflict, RouteFilter, RouteLookup } from './route-operations.js';
import * as routes from './route-operations.js';
import type { Route, RouteSpec } from './routes.js';
import type { Rule, RuleSpec } from './rules.js';
import * as rules from './rules.js';

/** How to add what may exist already. */
export interface AddOptions {
  /** Overwrite instead of failing with EEXIST. Default false. */
  readonly replace?: boolean | undefined;
}

/**
 * A NETLINK_ROUTE socket, which stays in the namespace it was opened in, whatever the thread does later, and keeps that
 * namespace alive until it is closed. Every method is synchronous and blocks as long as the kernel takes: microseconds,
 * but some 20 ms to delete or move a link. All throw {@link NetlinkError} for what the kernel refuses and `DecodeError`
 * for what cannot be encoded.
 */
export class RouteSocket implements Disposable {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * Opens a socket in `namespace`, or where the calling thread is. 15 µs.
   * @param mostEntries of a table that are read. Default: any number. E2BIG, and the socket is closed: the table has more.
   * @throws NetlinkError, NamespaceError
   */
  static open(namespace?: NetworkNamespace, mostEntries?: number): RouteSocket {
    return new RouteSocket(NetlinkSocket.open(NETLINK_ROUTE, namespace, mostEntries));
  }

  /** −1 once closed. */
  get fd(): number {
    return this.#socket.fd;
  }

  /** Inode of the namespace it lives in; undefined when the kernel will not tell (needs CAP_NET_ADMIN). */
  get namespaceInode(): number | undefined {
    return this.#socket.namespaceInode;
  }

  /** Opens the namespace it lives in, for the caller to close. */
  openNamespace(): NetworkNamespace {
    return this.#socket.openNamespace();
  }

  /** Lets go of the socket and of its namespace. Harmless when repeated. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Sends the requests that `fn` makes on this socket together, in order. The kernel carries out all of them, also those
   * after a failed one. Only changes can be batched, not questions. If `fn` throws, nothing is sent.
   * @throws NetlinkBatchError, saying which failed
   */
  batch(fn: (socket: this) => void): void {
    this.#socket.batch(() => fn(this));
  }

  // Links.

  links(filter: LinkFilter & DumpOptions = {}): Link[] {
    return links.listLinks(this.#socket, filter);
  }

  /** One link with its counters, or undefined when there is none. */
  link(link: LinkReference): Link | undefined {
    return links.findLink(this.#socket, link);
  }

  /** Makes a link. EEXIST: the name is taken; EOPNOTSUPP: this kernel lacks the kind. */
  addLink(spec: LinkSpec): void {
    links.addLink(this.#socket, spec);
  }

  /** Makes a link in the socket's own namespace and returns it as the kernel made it, with its index and final name. */
  createLink(spec: NetlinkLinkSpec & { readonly namespace?: never }): Link {
    return links.createLink(this.#socket, spec);
  }

  setLink(link: LinkReference, changes: LinkChanges): void {
    links.changeLink(this.#socket, link, changes);
  }

  /** Blocks some 20 ms; many at once are cheaper by {@link deleteGroup}. ENODEV: there is none. */
  deleteLink(link: LinkReference): void {
    links.deleteLink(this.#socket, link);
  }

  /** Deletes every link of a group other than 0, at little more than the cost of one. ENODEV: the group is empty. */
  deleteGroup(group: number): void {
    links.deleteGroup(this.#socket, group);
  }

  /** The virtual functions of a physical one, by number; none for a device that has none. ENODEV: no such device. */
  virtualFunctions(link: LinkReference): VirtualFunction[] {
    return links.listVirtualFunctions(this.#socket, link);
  }

  /** Driver and bus address of a device of this namespace, by its name; undefined where it does not say. */
  driverInfo(name: string): DriverInfo | undefined {
    return driverInfo(this.fd, name);
  }

  // Addresses; `index` is the link's.

  addresses(filter: AddressFilter & DumpOptions = {}): Address[] {
    return addresses.listAddresses(this.#socket, filter);
  }

  addAddress(index: number, address: AddressSpec, options: AddOptions = {}): void {
    addresses.addAddress(this.#socket, index, address, options.replace === true);
  }

  /** A point-to-point address needs its `peer` too. EADDRNOTAVAIL: there is none. */
  deleteAddress(index: number, address: AddressSpec): void {
    addresses.deleteAddress(this.#socket, index, address);
  }

  // Routes.

  /** The main table unless the filter says otherwise. */
  routes(filter: RouteFilter & DumpOptions = {}): Route[] {
    return routes.listRoutes(this.#socket, filter);
  }

  addRoute(route: RouteSpec, conflict: RouteConflict = 'fail'): void {
    routes.addRoute(this.#socket, route, conflict);
  }

  /** Deletes the first route that agrees with all that is given. ESRCH: there is none. */
  deleteRoute(route: RouteSpec): void {
    routes.deleteRoute(this.#socket, route);
  }

  /**
   * How a packet to `address` would go. ENETUNREACH, EHOSTUNREACH, EACCES …: it would not.
   * @param from its source, which rules may ask for. Default: none yet.
   */
  routeTo(address: string, from?: string): RouteLookup {
    return routes.routeTo(this.#socket, address, from);
  }

  // Neighbours and forwarding entries.

  neighbours(filter: NeighbourFilter & DumpOptions = {}): Neighbour[] {
    return neighbours.listNeighbours(this.#socket, filter);
  }

  /** One neighbour, or undefined when there is none. `device` is an index. */
  neighbour(address: string, device: number): Neighbour | undefined {
    return neighbours.findNeighbour(this.#socket, address, device);
  }

  addNeighbour(neighbour: NeighbourSpec, options: AddOptions = {}): void {
    neighbours.addNeighbour(this.#socket, neighbour, options.replace === true);
  }

  /** ENOENT: there is none. */
  deleteNeighbour(neighbour: NeighbourSpec): void {
    neighbours.deleteNeighbour(this.#socket, neighbour);
  }

  /** Forwarding entries of bridges and vxlan devices. */
  forwardingEntries(filter: { readonly device?: number | undefined } & DumpOptions = {}): Neighbour[] {
    return neighbours.listForwarding(this.#socket, filter);
  }

  /** `append` adds one more destination for the same address of a vxlan device. */
  addForwardingEntry(entry: ForwardingSpec, conflict: 'fail' | 'replace' | 'append' = 'fail'): void {
    neighbours.addForwarding(this.#socket, entry, conflict);
  }

  deleteForwardingEntry(entry: ForwardingSpec): void {
    neighbours.deleteForwarding(this.#socket, entry);
  }

  // Policy routing rules.

  rules(filter: { readonly family?: Family | undefined } & DumpOptions = {}): Rule[] {
    return rules.listRules(this.#socket, filter);
  }

  addRule(rule: RuleSpec): void {
    rules.addRule(this.#socket, rule);
  }

  /** Deletes the first rule that agrees with all that is given. ENOENT: there is none. */
  deleteRule(rule: RuleSpec): void {
    rules.deleteRule(this.#socket, rule);
  }

  // Traffic control.

  qdiscs(filter: { readonly device?: number | undefined } & DumpOptions = {}): Qdisc[] {
    return qdiscs.listQdiscs(this.#socket, filter);
  }

  /** EOPNOTSUPP, ENOENT: this kernel lacks the kind. */
  addQdisc(qdisc: QdiscSpec, options: AddOptions = {}): void {
    qdiscs.addQdisc(this.#socket, qdisc, options.replace === true);
  }

  /** Deletes the qdisc that hangs at `parent` (`clsact` for clsact and ingress), with its classes and filters. */
  deleteQdisc(device: number, parent: TrafficParent = 'root'): void {
    qdiscs.deleteQdisc(this.#socket, device, parent);
  }

  addClass(htbClass: HtbClassSpec, options: AddOptions = {}): void {
    addClass(this.#socket, htbClass, options.replace === true);
  }

  filters(filter: { readonly device: number; readonly parent: TrafficParent } & DumpOptions): Filter[] {
    return filters.listFilters(this.#socket, filter);
  }

  addFilter(filter: FilterSpec, options: AddOptions = {}): void {
    filters.addFilter(this.#socket, filter, options.replace === true);
  }

  deleteFilter(filter: FilterReference): void {
    filters.deleteFilter(this.#socket, filter);
  }

  // Namespace ids.

  /** Id by which this namespace knows `namespace`; undefined when it has none. */
  namespaceId(namespace: NetworkNamespace): number | undefined {
    return ids.namespaceId(this.#socket, namespace);
  }

  /** Whether a namespace that lives has this id here; since Linux 4.20. */
  isNamespaceIdTaken(id: number): boolean {
    return ids.isNamespaceIdTaken(this.#socket, id);
  }

  /**
   * Gives `namespace` an id in this one, −1 (default) for the next free, and returns the id, which cannot be changed
   * afterwards and goes with the namespace; it does not keep it alive. EEXIST: `namespace` has another id already, or
   * the id is taken.
   */
  setNamespaceId(namespace: NetworkNamespace, id: number = ids.NAMESPACE_ID_NONE): number {
    ids.setNamespaceId(this.#socket, namespace, id);
    return ids.namespaceId(this.#socket, namespace) ?? ids.NAMESPACE_ID_NONE;
  }
}
