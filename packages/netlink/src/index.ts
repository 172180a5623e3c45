// rtnetlink for Node.js: namespaces, links, addresses, routes, neighbours, tc, monitoring.

export type { Address, AddressFilter, AddressSpec } from './addresses.js';
export { administers, hasCapability } from './administers.js';
export { AttributeWriter } from './attribute-writer.js';
export { Attributes } from './attributes.js';
export { BpfMap, type MapConflict } from './bpf-map.js';
export {
  BpfObject,
  type BpfProgramInfo,
  describeProgram,
  mapsOfProgram,
  type TestRun,
  testRun,
} from './bpf-object.js';
export { DecodeError } from './decode-error.js';
export type { DriverInfo } from './driver-info.js';
export { EchoProbe } from './echo-probe.js';
export { type EchoDeparture, type EchoOptions, EchoSocket } from './echo-socket.js';
export { errno, errnoName } from './errno.js';
export { EthtoolSocket, type Feature, type Offload } from './ethtool.js';
export type {
  BpfFilterSpec,
  Filter,
  FilterAction,
  FilterReference,
  FilterSpec,
  MatchAllSpec,
} from './filters.js';
export { ForeignMemory } from './foreign-memory.js';
export { whyNoDestination, whyNoHostAddress } from './host-address.js';
export type { HtbClassSpec } from './htb-classes.js';
export { formatIp, IpPrefix } from './ip-prefix.js';
export * as kernelProbes from './kernel-probes.js';
export { readSetting, writeSetting } from './kernel-settings.js';
export { type Door, type KnockAnswer, KnockSocket } from './knock-socket.js';
export { largestSize } from './largest-size.js';
export * as libc from './libc.js';
export * as memory from './libc-memory.js';
export { compileFilter, NoLibpcapError } from './libpcap.js';
export type { Link, LinkStatistics, OperationalState } from './link.js';
export type { BridgeOptions, LinkData, MacvlanMode, VxlanOptions } from './link-kinds.js';
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
} from './link-spec.js';
export { formatMac, parseMac } from './mac-address.js';
export { NamespaceError, type NamespaceErrorCode } from './namespace-error.js';
export { NAMESPACE_ID_NONE } from './namespace-ids.js';
export {
  NAMESPACE_DIRECTORY,
  type NamespaceReference,
  parseNamespaceReference,
} from './namespace-reference.js';
export {
  createNamespace,
  currentNamespace,
  deleteNamespace,
  listNamespaces,
  type NamespaceEntry,
  namespaceOfProcess,
  openNamespace,
  unnamedNamespace,
} from './namespaces.js';
export type {
  ForwardingSpec,
  Neighbour,
  NeighbourFilter,
  NeighbourFlag,
  NeighbourSpec,
  NeighbourState,
} from './neighbours.js';
export { type BatchFailure, type KernelDetail, NetlinkBatchError, NetlinkError } from './netlink-error.js';
export type { DumpOptions } from './netlink-request.js';
export { NetworkNamespace } from './network-namespace.js';
export { PacketTap, type PacketTapOptions, type TappedPacket } from './packet-tap.js';
export { type PollEvent, Poller, type PollerOptions, type WatchOptions } from './poller.js';
export { openProcess, ProcessHandle, processStartTime } from './processes.js';
export type {
  ClsactSpec,
  FqCodelSpec,
  HtbSpec,
  Qdisc,
  QdiscSpec,
  RawQdiscSpec,
  TbfSpec,
} from './qdiscs.js';
export type { MonitorGroup, RouteEvent } from './route-events.js';
export { RouteMonitor, type RouteMonitorEvents, type RouteMonitorOptions } from './route-monitor.js';
export type { Family, Protocol, RouteType, Scope, Table } from './route-names.js';
export type { RouteConflict, RouteFilter, RouteLookup } from './route-operations.js';
export { type AddOptions, RouteSocket } from './route-socket.js';
export type { NextHop, Route, RouteSpec } from './routes.js';
export type { Rule, RuleAction, RuleSpec } from './rules.js';
export { SharedMemory } from './shared-memory.js';
export { encodeFilter, type FilterInstruction, filterInstructionSize } from './socket-filter.js';
export {
  type NamespaceIdentity,
  openerOf,
  ownNamespace,
  type PeerCredentials,
  peerCredentials,
  peerProcess,
} from './socket-peers.js';
export { openTap, setTapCarrier, setTapFilter, type Tap, type TapOptions } from './tap.js';
export type { TrafficParent } from './tc-handles.js';
export { attachTcx, detachTcx, hasTcx, programName, type TcxHook, tcxPrograms } from './tcx.js';
export { type Packet, UnixListener, UnixSocket, type UnixSocketKind } from './unix-socket.js';
export type { VfChanges, VfLinkState, VfVlan, VirtualFunction } from './virtual-functions.js';
