// The network service manager (NSM) of one node.
export { Manager } from './manager.js';
export type { ManagerOptions } from './manager-options.js';
