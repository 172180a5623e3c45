// What a record must look like to enter a registry, and its canonical form.
import { clone, create, toBinary } from '@bufbuild/protobuf';
import {
  idRule,
  isId,
  isLabelKey,
  isLabelValue,
  isName,
  isTrustDomain,
  labelKeyRule,
  labelValueRule,
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  NsmError,
  nameRule,
  splitHostPort,
  registry as wire,
} from '@nsm/api';
import { printable } from '@nsm/output';
import type { EndpointKey, ManagerRecord } from '../registry.js';

/** Largest endpoint record, in bytes: a watch carries thousands of them. */
const maxEndpointBytes = 64 * 1024;
/** Allowed lease of a manager, milliseconds. */
const leaseRange = { min: 1000, max: 3_600_000 };

/** @throws NsmError `invalid` unless it is a name, as everywhere in the mesh. */
export function validName(name: string, what: string): string {
  if (isName(name)) return name;
  throw new NsmError('invalid', `${what} ${quote(name)} ${nameRule}`);
}

/** @throws NsmError `invalid` */
export function validClaim(claim: string): string {
  if (isId(claim)) return claim;
  throw new NsmError('invalid', `claim ${quote(claim)} ${idRule}`);
}

/** For a message, which it can neither fill nor break. */
function quote(text: string): string {
  return printable(JSON.stringify(text.slice(0, 64)));
}

/** A copy with the empty namespace spelled out. @throws NsmError `invalid` */
export function validKey(key: EndpointKey): EndpointKey {
  return {
    networkServiceName: validName(key.networkServiceName, 'network_service_name'),
    nseProviderName: validName(key.nseProviderName, 'nse_provider_name'),
    nseProviderNamespace: validName(key.nseProviderNamespace || 'default', 'nse_provider_namespace'),
  };
}

/** One string for each endpoint. The names hold no '/'. */
export function endpointKey(key: EndpointKey): string {
  // Joined, as a template's text keeps its parts in memory: there are tens of thousands of them.
  return [key.networkServiceName, key.nseProviderNamespace || 'default', key.nseProviderName].join('/');
}

/** A copy with the empty namespace spelled out. @throws NsmError `invalid` */
export function validEndpoint(endpoint: NetworkServiceEndpoint): NetworkServiceEndpoint {
  const key = validKey(endpoint);
  checkEndpoint(endpoint);
  const size = toBinary(NetworkServiceEndpointSchema, endpoint).length;
  if (size > maxEndpointBytes) {
    throw new NsmError(
      'invalid',
      `the record of endpoint ${endpointKey(key)} has ${size} bytes; at most ${maxEndpointBytes} are allowed`,
    );
  }
  return Object.assign(clone(NetworkServiceEndpointSchema, endpoint), key);
}

/** All that operators and other managers get to see of it. @throws NsmError `invalid` */
export function checkEndpoint(endpoint: NetworkServiceEndpoint): void {
  validKey(endpoint);
  validName(endpoint.networkServiceHost, 'network_service_host');
  for (const [key, value] of Object.entries(endpoint.labels?.selector ?? {})) {
    if (!isLabelKey(key)) throw new NsmError('invalid', `label key ${quote(key)} ${labelKeyRule}`);
    if (!isLabelValue(value)) throw new NsmError('invalid', `label value ${quote(value)} ${labelValueRule}`);
  }
  const texts = [endpoint.socketLocation, ...endpoint.prefixes];
  for (const { parameters } of endpoint.interface)
    texts.push(...Object.entries(parameters?.interfaceParameters ?? {}).flat());
  const strange = texts.find((text) => printable(text) !== text);
  if (strange !== undefined)
    throw new NsmError('invalid', `${quote(strange)} has characters that cannot be shown`);
}

/** A copy that counts as alive. @throws NsmError `invalid` */
export function validManager(manager: ManagerRecord): wire.Manager {
  const {
    name,
    address,
    external = false,
    version = '',
    drained = false,
    security = '',
    trustDomain = '',
  } = manager;
  checkManager(manager);
  return create(wire.ManagerSchema, {
    name,
    address,
    external,
    version,
    drained,
    security,
    trustDomain,
    alive: true,
  });
}

/** @throws NsmError `invalid` */
export function checkManager({
  name,
  address,
  version = '',
  security = '',
  trustDomain = '',
}: ManagerRecord): void {
  validName(name, 'manager name');
  if (!/^[A-Za-z0-9._-]{1,253}:\d{1,5}$|^\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]:\d{1,5}$/.test(address))
    throw new NsmError('invalid', `manager address ${quote(address)} must be HOST:PORT`);
  const { port } = splitHostPort(address);
  if (port === 0 || port > 65_535)
    throw new NsmError('invalid', `manager address ${quote(address)}: nobody can be called at port ${port}`);
  if (version !== '' && !/^[A-Za-z0-9.+_-]{1,64}$/.test(version))
    throw new NsmError('invalid', `manager version ${quote(version)} must be like 1.2.3`);
  if (trustDomain !== '' && !isTrustDomain(trustDomain))
    throw new NsmError('invalid', `trust domain ${quote(trustDomain)} is none`);
  if (!['', 'mtls', 'insecure'].includes(security))
    throw new NsmError('invalid', `security ${quote(security)} is neither mtls nor insecure`);
}

/** @throws NsmError `invalid` outside 1 s to 1 h. */
export function validLease(leaseMs: number): number {
  if (!Number.isInteger(leaseMs) || leaseMs < leaseRange.min || leaseMs > leaseRange.max) {
    throw new NsmError(
      'invalid',
      `a lease must have ${leaseRange.min} to ${leaseRange.max} ms, not ${leaseMs}`,
    );
  }
  return leaseMs;
}
