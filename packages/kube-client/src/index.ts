// A small client of the Kubernetes API.

export type { ApiConnectionOptions, Ping } from './api-connection.js';
export { apiTime } from './api-time.js';
export { Informer, type InformerEvent, type InformerListener, type InformerOptions } from './informer.js';
export {
  type ApplyOptions,
  type DeleteOptions,
  KubeClient,
  type KubeClientOptions,
  type ObjectRef,
  type Selection,
  type WatchEvent,
} from './kube-client.js';
export type { ApiServer, KubeConfig, KubeCredentials } from './kube-config.js';
export { KubeError } from './kube-error.js';
export type { KubeLogger } from './kube-logger.js';
export {
  type KubeObject,
  keyOf,
  type ObjectMeta,
  type OwnerReference,
  type Resource,
} from './kube-object.js';
export { Leadership, type LeadershipOptions } from './leadership.js';
export { loadKubeConfig } from './load-kube-config.js';
export * from './resources.js';
