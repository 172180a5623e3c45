// Generated messages and services of the Network Service Mesh API; typed gRPC servers and channels.

export { abbreviatedList } from './abbreviated-list.js';
export { advertisementsOf } from './advertisements.js';
export { Backlog } from './backlog.js';
export { maxRoutes, maxServices } from './bounds.js';
export type { CallContext } from './call-handlers.js';
export { type CallOptions, Channel, type ServiceClient } from './client.js';
export { interfaceNames, tunnelNames } from './enum-names.js';
export { NsmError, type NsmErrorKind } from './errors.js';
export { descriptorsLeft, fullDisk, openFiles } from './exhaustion.js';
export * from './gen/common_pb.js';
export * from './gen/netmesh_pb.js';
export * as endpoint from './gen/nseconnect_pb.js';
export * as admin from './gen/nsmadmin_pb.js';
export * as connect from './gen/nsmconnect_pb.js';
export * as forwarder from './gen/nsmforwarder_pb.js';
export * as proxy from './gen/nsmproxy_pb.js';
export * as registry from './gen/nsmregistry_pb.js';
export * as state from './gen/nsmstate_pb.js';
export {
  type InterfaceTraits,
  type InterfaceWord,
  interfaceTypes,
  type NumberParameter,
  type SharedMemoryProtocol,
  traitsOf,
  withFallbacks,
} from './interface-traits.js';
export { takeNamespaceLock } from './namespace-lock.js';
export {
  descriptorOf,
  Server,
  type ServiceImplementation,
  type UnixOptions,
} from './server.js';
export type { NamespaceIdentity, PeerCredentials } from './server-connections.js';
export { Turns } from './turns.js';
