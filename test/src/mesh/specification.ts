// The messages of nsm-api.md by its field numbers and nothing else: what a client or endpoint knows that never saw our
// proto files. Names of services and methods are those of the original system.
import { type Field, fieldsOf, message, messageIn, numberIn, textIn, textsIn } from './wire.js';

export const methods = {
  requestConnection: '/nsmconnect.ClientConnection/RequestConnection',
  advertiseEndpoint: '/nseconnect.EndpointOperations/AdvertiseEndpoint',
  requestEndpointConnection: '/nseconnect.EndpointConnection/RequestEndpointConnection',
  requestProxyConnection: '/nsmproxy.ProxyConnection/RequestProxyConnection',
} as const;

/** InterfaceType */
export const KERNEL = 1;
export const VHOST = 2;
export const SRIOV = 4;
export const HW = 5;
export const MEM = 3;
/** InterfacePreference */
export const FIRST = 1;
export const SECOND = 2;
/** TunnelType */
export const VXLAN = 1;
export const GRE = 2;
export const MPLS_O_ETHERNET = 6;

/** common.Interface */
export const interfaceOf = (type: number, preference = 0): Uint8Array =>
  message([1, type], ...(preference === 0 ? [] : [[3, preference] as const]));

export interface ConnectionRequest {
  readonly requestId: string;
  readonly service: string;
  readonly netns: string;
  /** Encoded; default: KERNEL. */
  readonly interfaces?: readonly Uint8Array[];
  /** Anything else, such as fields beyond the specification. */
  readonly more?: readonly Field[];
}

export const connectionRequest = (request: ConnectionRequest): Uint8Array =>
  message(
    [1, request.requestId],
    [2, request.service],
    [3, request.netns],
    ...(request.interfaces ?? [interfaceOf(KERNEL)]).map((entry) => [4, entry] as const),
    ...(request.more ?? []),
  );

export interface ConnectionReply {
  readonly accepted: boolean;
  readonly error: string;
  readonly address: string;
  readonly routes: readonly string[];
  readonly interfaceType: number | undefined;
}

export const readConnectionReply = (bytes: Uint8Array): ConnectionReply => {
  const fields = fieldsOf(bytes);
  const parameters = messageIn(fields, 3);
  const chosen = messageIn(fields, 4);
  return {
    ...readVerdict(bytes),
    address: parameters ? textIn(parameters, 1) : '',
    routes: parameters ? textsIn(parameters, 2) : [],
    interfaceType: chosen && numberIn(chosen, 1),
  };
};

/** `accepted` and `admission_error`, fields 1 and 2 of every reply. */
export const readVerdict = (bytes: Uint8Array): { readonly accepted: boolean; readonly error: string } => {
  const fields = fieldsOf(bytes);
  return { accepted: numberIn(fields, 1) === 1, error: textIn(fields, 2) };
};

export interface Endpoint {
  readonly service: string;
  readonly name: string;
  readonly socket: string;
  readonly host?: string;
  readonly namespace?: string;
  readonly interfaces?: readonly Uint8Array[];
  readonly more?: readonly Field[];
}

/** netmesh.NetworkServiceEndpoint; empty strings are left out, as proto3 does. */
export const networkServiceEndpoint = (endpoint: Endpoint): Uint8Array =>
  message(
    [1, endpoint.service],
    ...(endpoint.host ? [[2, endpoint.host] as const] : []),
    [3, endpoint.name],
    ...(endpoint.namespace ? [[4, endpoint.namespace] as const] : []),
    [5, endpoint.socket],
    ...(endpoint.interfaces ?? [interfaceOf(KERNEL)]).map((entry) => [6, entry] as const),
    ...(endpoint.more ?? []),
  );

export const endpointAdvertiseRequest = (...endpoints: readonly Endpoint[]): Uint8Array =>
  message(...endpoints.map((endpoint) => [1, networkServiceEndpoint(endpoint)] as const));

export interface ProxyConnectionRequest {
  readonly requestId: string;
  readonly service: string;
  readonly provider: string;
  readonly tunnels: readonly number[];
}

export const proxyConnectionRequest = (request: ProxyConnectionRequest): Uint8Array =>
  message(
    [1, request.requestId],
    [2, request.service],
    [3, request.provider],
    ...request.tunnels.map((type) => [4, message([1, type])] as const),
  );

/** `tunnel` is field 4; the specification skips 3. */
export const readProxyConnectionReply = (
  bytes: Uint8Array,
): { readonly accepted: boolean; readonly error: string; readonly tunnelType: number | undefined } => {
  const tunnel = messageIn(fieldsOf(bytes), 4);
  return { ...readVerdict(bytes), tunnelType: tunnel && numberIn(tunnel, 1) };
};

export const endpointConnectionReply = (requestId: string, service: string, netns: string): Uint8Array =>
  message([1, requestId], [2, service], [3, netns]);

export const readEndpointConnectionRequest = (
  bytes: Uint8Array,
): { readonly requestId: string; readonly service: string } => {
  const fields = fieldsOf(bytes);
  return { requestId: textIn(fields, 1), service: textIn(fields, 2) };
};
