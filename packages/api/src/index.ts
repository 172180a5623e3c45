// Generated messages and services of the Network Service Mesh API; typed gRPC servers and channels.

export { abbreviatedList } from './abbreviated-list.js';
export { advertisementsOf } from './advertisements.js';
export { maxRoutes, maxServices } from './bounds.js';
export { type CallOptions, Channel, type ChannelOptions, type ServiceClient } from './client/client.js';
export { deadline } from './deadline.js';
export { descriptorOf } from './descriptor-of.js';
export {
  interfaceName,
  interfaceNames,
  interfaceTypeName,
  interfaceWords,
  tunnelName,
  tunnelNames,
} from './enum-names.js';
export { NsmError, type NsmErrorKind } from './errors.js';
export { descriptorsLeft, fullDisk, openFiles } from './exhaustion.js';
export * from './gen/common_pb.js';
export * as kubelet from './gen/kubelet/deviceplugin_pb.js';
export * from './gen/netmesh_pb.js';
export * as endpoint from './gen/nseconnect_pb.js';
export * as admin from './gen/nsmadmin_pb.js';
export * as capture from './gen/nsmcapture_pb.js';
export * as connect from './gen/nsmconnect_pb.js';
export * as forwarder from './gen/nsmforwarder_pb.js';
export * as proxy from './gen/nsmproxy_pb.js';
export * as registry from './gen/nsmregistry_pb.js';
export * as state from './gen/nsmstate_pb.js';
export * as spiffe from './gen/spiffe/workload_pb.js';
export { splitHostPort } from './host-port.js';
export {
  isLinkName,
  linkNameRule,
  reservedInterfaceNames,
  whyNoInterfaceName,
} from './interface-name.js';
export {
  asksForNoSourceCheck,
  forwarding,
  type InterfaceTraits,
  type InterfaceWord,
  interfaceTypes,
  type NumberParameter,
  type SharedMemoryProtocol,
  sourceCheck,
  traitsOf,
  withFallbacks,
} from './interface-traits.js';
export { LogThrottle } from './log-throttle.js';
export {
  idRule,
  isId,
  isLabelKey,
  isLabelValue,
  isManagerName,
  isName,
  labelKeyRule,
  labelValueRule,
  managerNameRule,
  nameRule,
} from './names.js';
export { takeNamespaceLock } from './namespace-lock.js';
export { Pace } from './pace.js';
export { pause } from './pause.js';
export { Backlog } from './server/backlog.js';
export type { CallContext, CallListener, EndedCall } from './server/call-handlers.js';
export { Floods } from './server/floods.js';
export {
  betweenMachines,
  Server,
  type ServerLimits,
  type ServerOptions,
  type ServiceImplementation,
  type TcpOptions,
  type UnixOptions,
  withPods,
} from './server/server.js';
export type { Share, Shared } from './server/server-connections.js';
export { systemCodeOf } from './system-code.js';
export type { NamespaceIdentity, PeerCredentials } from './tls/caller.js';
export { checkExpected, checkPeer } from './tls/check-peer.js';
export type { Credential, Credentials, ExpectedPeer } from './tls/credentials.js';
export {
  type Identity,
  type IdentityKind,
  identityOf,
  isIdentityName,
  isTrustDomain,
  parseSpiffeId,
  spiffeIdOf,
  urisOf,
} from './tls/identity.js';
export { secureContextOf } from './tls/secure-context.js';
export type { OtherProtocol } from './tls/tls-acceptor.js';
export { Turns } from './turns.js';
export { within } from './within.js';
