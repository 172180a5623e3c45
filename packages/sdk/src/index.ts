// What an application imports: connect() and serve().
export { NsmError, type NsmErrorKind } from '@nsm/api';
export { type ConnectOptions, connect, disconnect } from './connect.js';
export { Connection, type ConnectionEvent } from './connection.js';
export type { ConnectionDetails } from './connection-details.js';
export type { EndpointHooks, EndpointRequest } from './endpoint-connections.js';
export {
  type InterfaceFields,
  type InterfaceKind,
  type InterfaceOption,
  type InterfaceOptions,
  interfaceFields,
  interfaceKinds,
  type Preference,
  preferenceNames,
} from './interfaces.js';
export { ManagerLink } from './manager-link.js';
export type { EndpointAnswer } from './read-answer.js';
export { Served, type ServeOptions, type ServeStatus, serve } from './serve.js';
export { flushTraces, type TracingOptions } from './tracing.js';
