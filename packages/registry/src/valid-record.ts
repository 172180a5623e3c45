// What a record must look like to enter a registry, and its canonical form.
import { clone, create, toBinary } from '@bufbuild/protobuf';
import {
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  NsmError,
  registry as wire,
} from '@nsm/api';
import type { EndpointKey, ManagerRecord } from './registry.js';

/** Longest name, in bytes of UTF-8; that of a DNS name. */
const maxNameBytes = 253;
/** Largest endpoint record, in bytes: a watch carries thousands of them. */
const maxEndpointBytes = 64 * 1024;
/** Allowed lease of a manager, milliseconds. */
const leaseRange = { min: 1000, max: 3_600_000 };

/** @throws NsmError `invalid` unless `name` has 1 to 253 bytes, without control characters and '/'. */
export function validName(name: string, what: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > maxNameBytes) {
    throw new NsmError('invalid', `${what} must have 1 to ${maxNameBytes} bytes, not ${bytes}`);
  }
  if (/[\p{Cc}\p{Cs}/]/u.test(name)) {
    throw new NsmError(
      'invalid',
      `${what} ${JSON.stringify(name)} must not contain '/' or control characters`,
    );
  }
  return name;
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
  return `${key.networkServiceName}/${key.nseProviderNamespace || 'default'}/${key.nseProviderName}`;
}

/** A copy with the empty namespace spelled out. @throws NsmError `invalid` */
export function validEndpoint(endpoint: NetworkServiceEndpoint): NetworkServiceEndpoint {
  const key = validKey(endpoint);
  validName(endpoint.networkServiceHost, 'network_service_host');
  const size = toBinary(NetworkServiceEndpointSchema, endpoint).length;
  if (size > maxEndpointBytes) {
    throw new NsmError(
      'invalid',
      `the record of endpoint ${endpointKey(key)} has ${size} bytes; at most ${maxEndpointBytes} are allowed`,
    );
  }
  return Object.assign(clone(NetworkServiceEndpointSchema, endpoint), key);
}

/** A copy that counts as alive. @throws NsmError `invalid` */
export function validManager(manager: ManagerRecord): wire.Manager {
  const { name, address, external = false, version = '', drained = false, security = '' } = manager;
  validName(name, 'manager name');
  validName(address, 'manager address');
  const [, port = ''] =
    /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]):(\d{1,5})$/.exec(
      address,
    ) ?? [];
  if (port === '' || Number(port) > 65_535) {
    throw new NsmError('invalid', `manager address ${JSON.stringify(address)} must be HOST:PORT`);
  }
  if (version !== '') validName(version, 'manager version');
  if (!['', 'mtls', 'insecure'].includes(security))
    throw new NsmError('invalid', `security ${JSON.stringify(security)} is neither mtls nor insecure`);
  return create(wire.ManagerSchema, { name, address, external, version, drained, security, alive: true });
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
