// The network service manager (NSM) of one node.
export type { ClusterNetworks } from './cluster/cluster-prefixes.js';
export { Manager } from './manager.js';
export type { ManagerOptions } from './manager-options.js';
export type { NamedPod, NodePod, NodePods, PodPort, PodProcess, PodRequest } from './node-pods.js';
export type { PolicyOrigin } from './policy/policy-origin.js';
export { type Connection, detailOf, type OperatorState, stateOf } from './state/connection.js';
export type { ConnectionChange } from './state/connection-table.js';
