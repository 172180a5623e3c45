// What every request must be before anything is touched: well-formed, bounded, and by someone entitled to it.
import {
  type ConnectionParameters,
  connect,
  forwarding,
  type Interface,
  InterfacePreference,
  idRule,
  interfaceNames,
  isId,
  isLabelKey,
  isLabelValue,
  isName,
  type Label,
  labelKeyRule,
  labelValueRule,
  type NetworkServiceEndpoint,
  NsmError,
  nameRule,
  type proxy,
  sourceCheck,
  traitsOf,
  tunnelNames,
  whyNoInterfaceName,
} from '@nsm/api';
import { IpPrefix, whyNoDestination, whyNoHostAddress } from '@nsm/netlink';
import { printable } from '@nsm/output';
import { askedMtu } from '../choice/mtu.js';
import { quote } from '../untrusted-text.js';
import { acceptedRoutes } from './accepted-routes.js';
import { admitSharedMemory } from './shared-memory-parameters.js';

/** Characters of an interface parameter's value: a path of a socket, as the longest that means anything, has fewer. */
const maxParameterLength = 253;
/** Interfaces that one side names: each type a few times, for the physical networks of a node. */
const maxInterfaces = 64;
/** Parameters of one interface: a dozen are known, and each is kept and shown with the connection. */
const maxParameters = 64;
/** Labels: each candidate is compared with each. */
const maxLabels = 64;
/** Tunnel types: there are six. */
const maxTunnels = 64;
/** Identifiers proposed for one tunnel: of four hardly ever all are taken. */
const maxIdentifiers = 64;
/** Prefixes of one network service: they are searched one after the other for a free address. */
const maxPrefixes = 64;
/** Addresses of one side, of its other side, or proposed for both: one for each version of IP, and a few more. */
export const maxAddresses = 64;
/** Prefixes that a pod routes within those of the network service: as many of IPv6 are 0.7 MB, and a request has 1 MiB at most. */
const maxExcluded = 16_384;
const connectionIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}:[0-9a-f]{8}-[0-9a-f]{16}$/;
const halfIdPattern = /^[\w-]{0,64}$/;
const preferences: ReadonlySet<number> = new Set(Object.values(InterfacePreference));

/** @throws NsmError `invalid` */
export function admitConnectionRequest(request: connect.ConnectionRequest): void {
  admitRequestId(request.requestId);
  admitName('network_service_name', request.networkServiceName);
  if (request.linuxNamespace === '') {
    throw invalid(
      'linux_namespace is empty: name the network namespace of the pod, such as "net:[4026532208]"',
    );
  }
  admitInterfaces(request.interface);
  admitLabels(request.labels);
  const { NAMESPACE_LIFETIME, PROCESS_LIFETIME } = connect.ConnectionLifetime;
  if (request.lifetime !== NAMESPACE_LIFETIME && request.lifetime !== PROCESS_LIFETIME) {
    throw invalid(
      `lifetime ${request.lifetime} is unknown; known: 0 (the network namespace's) and 1 (the process's)`,
    );
  }
}

/** Also writes the request's addresses in canonical form. @throws NsmError `invalid` */
export function admitProxyRequest(request: proxy.ProxyConnectionRequest): void {
  admitRequestId(request.requestId);
  admitName('network_service_name', request.networkServiceName);
  admitName('nse_provider_name', request.nseProviderName);
  if (request.nseProviderNamespace !== '') admitName('nse_provider_namespace', request.nseProviderNamespace);
  if (request.clientManagerName !== '') admitName('client_manager_name', request.clientManagerName);
  request.interface = knownOf(request.interface, interfaceNames);
  if (request.interface.length > 0) admitInterfaces(request.interface);
  admitLabels(request.labels);
  request.tunnelType = knownOf(request.tunnelType, tunnelNames);
  admitLength('tunnel_type', request.tunnelType, maxTunnels);
  if (request.tunnelType.length === 0 && !request.interface.some(({ type }) => traitsOf(type).hasOwnWire))
    throw invalid('tunnel_type is empty: list the tunnel types your side can do');
  if (request.connectionId !== '' && !connectionIdPattern.test(request.connectionId)) {
    throw invalid(
      `connection_id ${quote(request.connectionId)} is not MANAGER:NODE-CONNECTION, with 8 and 16 hexadecimal digits`,
    );
  }
  if (!isHalfId(request.halfId)) throw invalid(`half_id ${quote(request.halfId)} is none, such as a UUID`);
  for (const { type, parameters } of request.tunnelType) {
    if (parameters && parameters.address !== '')
      parameters.address = admitAddress('tunnel address', parameters.address);
    admitLength('proposed_identifiers', parameters?.proposedIdentifiers ?? [], maxIdentifiers);
    if (!(type in tunnelNames))
      throw invalid(`tunnel type ${type} is unknown; known: ${Object.values(tunnelNames).join(', ')}`);
  }
  admitLength('excluded_prefixes', request.excludedPrefixes, maxExcluded);
  request.excludedPrefixes = request.excludedPrefixes.map((text) =>
    String(prefixOf('excluded_prefixes', text).network),
  );
  admitLength('address_pairs', request.addressPairs, maxAddresses);
  for (const pair of request.addressPairs) {
    const { network } = prefixOf('address_pairs', pair.prefix);
    const [client, endpoint] = [pair.client, pair.endpoint].map((text) => prefixOf('address_pairs', text));
    // A larger network would lead away what the endpoint's pod sends to others (RFC 3021, RFC 6164).
    if (
      network.length !== network.bits - 1 ||
      [client, endpoint].some((one) => String(one?.network) !== String(network)) ||
      client?.value === endpoint?.value
    )
      throw invalid(
        `address pair ${quote(`${pair.client} ${pair.endpoint}`)} is not the two addresses of a prefix of two`,
      );
    Object.assign(pair, { client: String(client), endpoint: String(endpoint), prefix: String(network) });
  }
}

/** A later version offers kinds that this one does not know: the rest is there to agree on, and where nothing is left all are told. */
function knownOf<T extends { readonly type: number }>(
  list: T[],
  names: Readonly<Record<number, string>>,
): T[] {
  const known = list.filter(({ type }) => type in names);
  return known.length > 0 ? known : list;
}

/** Also writes the endpoint's prefixes in canonical form. @throws NsmError `invalid` */
export function admitEndpoint(endpoint: NetworkServiceEndpoint, managerName: string): void {
  admitName('network_service_name', endpoint.networkServiceName);
  admitName('nse_provider_name', endpoint.nseProviderName);
  if (endpoint.nseProviderNamespace !== '')
    admitName('nse_provider_namespace', endpoint.nseProviderNamespace);
  if (endpoint.networkServiceHost !== '' && endpoint.networkServiceHost !== managerName) {
    throw invalid(
      `network_service_host is "${endpoint.networkServiceHost}" but this manager is "${managerName}": ` +
        'advertise to the manager of that host, or leave the field empty',
    );
  }
  admitInterfaces(endpoint.interface);
  admitLabels(endpoint.labels);
  admitLength('prefixes', endpoint.prefixes, maxPrefixes);
  endpoint.prefixes = endpoint.prefixes.map((text) => admitPool('prefixes', text));
  if (!endpoint.socketLocation.startsWith('/') || hasControl(endpoint.socketLocation)) {
    throw invalid('socket_location must be the absolute path of the unix socket that the endpoint serves');
  }
  // sockaddr_un.sun_path, unix(7).
  if (Buffer.byteLength(endpoint.socketLocation) > 107) {
    throw invalid('socket_location is longer than the 107 bytes that a unix socket path may have');
  }
}

/** What a manager may call its half of a connection; '' when it leaves that to the other manager. A UUID has 36 characters. */
export function isHalfId(text: string): boolean {
  return halfIdPattern.test(text);
}

/**
 * A prefix to give out addresses from, in the one way it is written everywhere.
 * @throws NsmError `invalid` for what is none, or has no address that a host can have.
 */
export function admitPool(field: string, text: string): string {
  const { network } = prefixOf(field, text);
  const why = network.isHost ? 'has no room for a pair of addresses' : whyNoDestination(network);
  if (why !== '') throw invalid(`${field}: ${network} ${why}; give one such as 10.60.0.0/16`);
  return String(network);
}

function admitAddress(field: string, text: string): string {
  const address = IpPrefix.parseAddress(text);
  if (!address) throw invalid(`${field} ${quote(text)} is not an IP address`);
  const why = whyNoHostAddress(address);
  if (why !== '') throw invalid(`${field} ${address.address} ${why}`);
  return address.address;
}

function prefixOf(field: string, text: string): IpPrefix {
  const prefix = IpPrefix.parse(text);
  if (prefix) return prefix;
  throw invalid(`${field}: ${quote(text)} is not an IP prefix; write it like 10.60.0.0/16 or fd00:60::/48`);
}

/** All addresses of a parameters message, whichever of its two fields they came in. */
export function addressesOf(parameters: ConnectionParameters | undefined): string[] {
  if (!parameters) return [];
  if (parameters.addresses.length > 0) return parameters.addresses;
  return parameters.address === '' ? [] : [parameters.address];
}

export function admitRequestId(requestId: string): void {
  if (isId(requestId)) return;
  throw invalid(
    requestId === ''
      ? 'request_id is empty: send the Pod UID, or any id of your own that stays the same for this pod'
      : `request_id ${quote(requestId)} ${idRule}`,
  );
}

export function admitName(field: string, name: string): void {
  if (isName(name)) return;
  throw invalid(name === '' ? `${field} is empty` : `${field} ${quote(name)} ${nameRule}`);
}

function admitInterfaces(interfaces: readonly Interface[]): void {
  admitLength('interface', interfaces, maxInterfaces);
  if (interfaces.length === 0) {
    throw invalid(
      'interface is empty: list at least one interface type; DEFAULT_INTERFACE lets the mesh choose',
    );
  }
  const seen = new Set<number>();
  for (const one of interfaces) {
    const { type, preference, parameters } = one;
    if (!(type in interfaceNames))
      throw invalid(`interface type ${type} is unknown; known: ${Object.values(interfaceNames).join(', ')}`);
    if (!preferences.has(preference)) {
      throw invalid(`interface preference ${preference} is unknown; known: 0 (none) to 5 (FIFTH)`);
    }
    if (preference !== InterfacePreference.NO_PREFERENCE && seen.has(preference)) {
      throw invalid(`two interfaces have preference ${preference}: each preference may be given once`);
    }
    seen.add(preference);
    admitParameters(Object.entries(parameters?.interfaceParameters ?? {}));
    askedMtu(one);
    acceptedRoutes(one);
    for (const name of [sourceCheck, forwarding]) admitSwitch(one, name);
    admitSharedMemory(one);
  }
}

function admitSwitch({ parameters }: Interface, name: string): void {
  const asked = parameters?.interfaceParameters[name] ?? 'on';
  if (asked !== 'on' && asked !== 'off')
    throw invalid(`interface parameter ${name} is ${quote(asked)}: it may be on or off`);
}

/** Parameters are kept with the connection, and shown with it. */
function admitParameters(parameters: readonly (readonly [string, string])[]): void {
  admitLength('interface_parameters', parameters, maxParameters);
  for (const [key, value] of parameters) {
    const why = key === 'name' ? whyNoInterfaceName(value) : '';
    if (why !== '') throw invalid(`${quote(value)} ${why}`);
    if (hasControl(key + value) || key.length > 253 || value.length > maxParameterLength)
      throw invalid(
        `interface parameter ${quote(key)} has control characters or more than ${maxParameterLength} of others`,
      );
  }
}

function admitLabels(labels: Label | undefined): void {
  const entries = Object.entries(labels?.selector ?? {});
  admitLength('labels', entries, maxLabels);
  for (const [key, value] of entries) {
    if (!isLabelKey(key)) throw invalid(`label key ${quote(key)} ${labelKeyRule}`);
    if (!isLabelValue(value)) throw invalid(`label value ${quote(value)} ${labelValueRule}`);
  }
}

export function admitLength(field: string, list: readonly unknown[], most: number): void {
  if (list.length > most) throw invalid(`${field} has ${list.length} entries; at most ${most} are accepted`);
}

/** Also what a terminal would hide or reorder: paths and parameters are shown to operators. */
function hasControl(text: string): boolean {
  return printable(text) !== text;
}

function invalid(message: string): NsmError {
  return new NsmError('invalid', message);
}
