// rtnetlink for Node.js: namespaces, links, addresses, routes, neighbours, tc, monitoring.

export { whyNoDestination, whyNoHostAddress } from './address/host-address.js';
export { formatIp, IpPrefix } from './address/ip-prefix.js';
export { formatMac, parseMac } from './address/mac-address.js';
export { BpfMap, type MapConflict } from './bpf/bpf-map.js';
export {
  BpfObject,
  type BpfProgramInfo,
  describeProgram,
  mapsOfProgram,
  type TestRun,
  testRun,
} from './bpf/bpf-object.js';
export { DecodeError } from './decode-error.js';
export * as kernelProbes from './kernel-probes.js';
export { errno, errnoName } from './libc/errno.js';
export { FolderWatch } from './libc/folder-watch.js';
export { ForeignMemory, isInMemory } from './libc/foreign-memory.js';
export { readSetting, writeSetting } from './libc/kernel-settings.js';
export * as libc from './libc/libc.js';
export * as memory from './libc/libc-memory.js';
export {
  type BatchFailure,
  type KernelDetail,
  NetlinkBatchError,
  NetlinkError,
} from './libc/netlink-error.js';
export { type PollEvent, Poller, type PollerOptions, type WatchOptions } from './libc/poller.js';
export { openProcess, ProcessHandle, processStartTime } from './libc/processes.js';
export { SharedMemory } from './libc/shared-memory.js';
export type { DriverInfo } from './link/driver-info.js';
export { EthtoolSocket, type Feature, type Offload } from './link/ethtool.js';
export type { Link, LinkStatistics, OperationalState } from './link/link.js';
export type { BridgeOptions, LinkData, MacvlanMode, VxlanOptions } from './link/link-kinds.js';
export type {
  BridgeSpec,
  CommonLinkSpec,
  Ipv6AddressGeneration,
  LinkChanges,
  LinkFilter,
  LinkReference,
  LinkSpec,
  MacvlanSpec,
  NetlinkLinkSpec,
  PeerSpec,
  PlainSpec,
  TapSpec,
  VethSpec,
  VlanSpec,
  VxlanSpec,
} from './link/link-spec.js';
export { openTap, setTapCarrier, setTapFilter, type Tap, type TapOptions } from './link/tap.js';
export type { VfChanges, VfLinkState, VfVlan, VirtualFunction } from './link/virtual-functions.js';
export { administers, hasCapability } from './namespaces/administers.js';
export { NamespaceError, type NamespaceErrorCode } from './namespaces/namespace-error.js';
export {
  NAMESPACE_DIRECTORY,
  type NamespaceReference,
  parseNamespaceReference,
} from './namespaces/namespace-reference.js';
export {
  createNamespace,
  currentNamespace,
  deleteNamespace,
  listNamespaces,
  type NamespaceEntry,
  namespaceOfProcess,
  openNamespace,
  unnamedNamespace,
} from './namespaces/namespaces.js';
export { NetworkNamespace } from './namespaces/network-namespace.js';
export { EchoProbe } from './packets/echo-probe.js';
export { type EchoDeparture, type EchoOptions, EchoSocket } from './packets/echo-socket.js';
export { type Door, type KnockAnswer, KnockSocket } from './packets/knock-socket.js';
export { largestSize } from './packets/largest-size.js';
export { compileFilter, NoLibpcapError } from './packets/libpcap.js';
export { PacketTap, type PacketTapOptions, type TappedPacket } from './packets/packet-tap.js';
export { AttributeWriter } from './protocol/attribute-writer.js';
export { Attributes } from './protocol/attributes.js';
export type { DumpOptions } from './protocol/netlink-request.js';
export type { Family, Protocol, RouteType, Scope, Table } from './protocol/route-names.js';
export { encodeFilter, type FilterInstruction, filterInstructionSize } from './protocol/socket-filter.js';
export type { Address, AddressFilter, AddressSpec } from './route/addresses.js';
export { NAMESPACE_ID_NONE } from './route/namespace-ids.js';
export type {
  ForwardingSpec,
  Neighbour,
  NeighbourFilter,
  NeighbourFlag,
  NeighbourSpec,
  NeighbourState,
} from './route/neighbours.js';
export type { MonitorGroup, RouteEvent } from './route/route-events.js';
export { RouteMonitor, type RouteMonitorEvents, type RouteMonitorOptions } from './route/route-monitor.js';
export type { RouteConflict, RouteFilter, RouteLookup } from './route/route-operations.js';
export { type AddOptions, RouteSocket } from './route/route-socket.js';
export type { NextHop, Route, RouteSpec } from './route/routes.js';
export type { Rule, RuleAction, RuleSpec } from './route/rules.js';
export type {
  BpfFilterSpec,
  Filter,
  FilterAction,
  FilterReference,
  FilterSpec,
  MatchAllSpec,
} from './tc/filters.js';
export type { HtbClassSpec } from './tc/htb-classes.js';
export type {
  ClsactSpec,
  FqCodelSpec,
  HtbSpec,
  Qdisc,
  QdiscSpec,
  RawQdiscSpec,
  TbfSpec,
} from './tc/qdiscs.js';
export type { TrafficParent } from './tc/tc-handles.js';
export { attachTcx, detachTcx, hasTcx, programName, type TcxHook, tcxPrograms } from './tc/tcx.js';
export { ForeignDescriptors } from './unix/foreign-descriptors.js';
export {
  type NamespaceIdentity,
  openerOf,
  ownNamespace,
  type PeerCredentials,
  peerCredentials,
  peerProcess,
} from './unix/socket-peers.js';
export {
  type LetGo,
  type Packet,
  UnixListener,
  UnixSocket,
  type UnixSocketKind,
} from './unix/unix-socket.js';
export { connectToSocketFile, refuseDescriptors } from './unix/without-descriptors.js';
