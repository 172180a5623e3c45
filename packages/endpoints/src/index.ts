// Ready-made network service endpoints.
export { type BridgeOptions, bridge } from './bridge.js';
export { type ClientAddress, ClientAddresses, parseClientAddress } from './client-addresses.js';
export { type GatewayOptions, gateway } from './gateway.js';
export { icmpResponder } from './icmp-responder.js';
export { type ClientEvent, ReadyMade, type ReadyMadeOptions } from './ready-made.js';
