// Ready-made network service endpoints.
export { Bridge, type BridgeOptions, bridge } from './bridge.js';
export { type ClientAddress, ClientAddresses, parseClientAddress } from './client-addresses.js';
export { Gateway, type GatewayOptions, gateway } from './gateway.js';
export { icmpResponder } from './icmp-responder.js';
export type { ClientEvent, ReadyMadeOptions } from './ready-made.js';
