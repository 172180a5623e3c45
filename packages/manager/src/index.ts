// The network service manager (NSM) of one node.
export { Manager, type ManagerOptions } from './manager.js';
