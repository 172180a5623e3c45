// Where endpoints and managers are found.
export type { RegistryOptions } from './cached-registry.js';
export { type Clock, systemClock } from './clock.js';
export { type EmbeddedOptions, EmbeddedRegistry } from './embedded-registry.js';
export { openRegistry } from './open-registry.js';
export type {
  EndpointKey,
  ManagerRecord,
  RecordWriter,
  Registry,
  RegistryListener,
  RegistryLogger,
} from './registry.js';
export { RemoteRegistry } from './remote-registry.js';
export { endpointKey } from './valid-record.js';
