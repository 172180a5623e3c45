// Programs the Linux dataplane of one node.
export type { VxlanEngine } from './cross-connect/all-wirings.js';
export { memifSettings } from './interfaces/mem/memif-session.js';
export { MemifTap } from './interfaces/mem/memif-tap.js';
export { anyMemory } from './interfaces/tap/memory-shares.js';

export type { DeviceMatch, DevicePool, VfPool } from './lending/device-source.js';
export { type LendingOptions, lentDevicesIn } from './lending/lending-options.js';
export { NodeForwarder, type NodeForwarderOptions } from './node-forwarder.js';
export { nodeId } from './node-id.js';
export { type Privilege, privilegesOf, whatIsOutOfReach } from './privileges.js';
export { probeCapabilities } from './probe-capabilities.js';
export { type ServedForwarder, type ServeForwarderOptions, serveForwarder } from './serve-forwarder.js';
export { type ForwarderThread, startForwarderThread } from './thread/start-forwarder-thread.js';
