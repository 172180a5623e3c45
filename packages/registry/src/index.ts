// Where endpoints and managers are found.

export { type Clock, systemClock } from './clock.js';
export { type EmbeddedOptions, EmbeddedRegistry } from './embedded/embedded-registry.js';
export type { EtcdOptions } from './etcd/etcd-access.js';
export type { RegistryOptions } from './following/cached-registry.js';
export { type OpenOptions, openRegistry, openStore, type ServedRegistry } from './open-registry.js';
export { endpointKey } from './records/valid-record.js';
export type {
  EndpointKey,
  ManagerRecord,
  RecordWriter,
  Registry,
  RegistryListener,
  RegistryLogger,
  RegistryMember,
  ServiceSettings,
} from './registry.js';
export { countRegistry, registryMetrics } from './registry-metrics.js';
export { RemoteRegistry } from './remote/remote-registry.js';
