// Programs the Linux dataplane of one node.
export { NodeForwarder, type NodeForwarderOptions, type VxlanEngine } from './node-forwarder.js';
export { type ServedForwarder, type ServeForwarderOptions, serveForwarder } from './serve-forwarder.js';
export { type ForwarderThread, startForwarderThread } from './thread/start-forwarder-thread.js';
