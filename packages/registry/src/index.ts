// Where endpoints and managers are found.
export type { RegistryOptions } from './cached-registry.js';
export { type Clock, systemClock } from './clock.js';
export { DiskState, isDiskRefusal } from './disk-state.js';
export { type EmbeddedOptions, EmbeddedRegistry } from './embedded-registry.js';
export { FolderLock } from './folder-lock.js';
export { openGuarded, requireSpace } from './lmdb-guards.js';
export { moveUnreadableAside } from './move-aside.js';
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
