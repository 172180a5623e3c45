// Which records are a manager's to write: its own, those of its endpoints, and its claims. Its certificate says who it is.
import { create } from '@bufbuild/protobuf';
import {
  type Identity,
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  NsmError,
  spiffeIdOf,
} from '@nsm/api';
import type { EndpointRemoval } from '../registry.js';
import type { RecordCache } from './record-cache.js';
import { validKey } from './valid-record.js';

type Known = Pick<RecordCache, 'endpoint' | 'managers'>;

/**
 * @param identity of the manager that calls; undefined without TLS, where names are believed.
 * @returns the name that the call is about.
 * @throws NsmError `untrusted` when that is another manager's, or that of a manager of another trust domain.
 */
export function ownName(
  { managers }: Pick<Known, 'managers'>,
  identity: Identity | undefined,
  name: string,
): string {
  if (!identity) return name;
  const domain = managers.get(name)?.trustDomain || identity.domain;
  if (identity.kind === 'manager' && identity.name === name && identity.domain === domain) return name;
  throw new NsmError(
    'untrusted',
    `${spiffeIdOf(identity)} may write its own records, and not those of manager ${JSON.stringify(name)} of trust domain ${domain}`,
  );
}

/**
 * The endpoint of a living manager is that manager's, with TLS and without: another may have it only once it was removed.
 * @throws NsmError `untrusted`, or `conflict` when another manager serves an endpoint of the same name.
 */
export function ownEndpoint(
  cache: Known,
  identity: Identity | undefined,
  endpoint: NetworkServiceEndpoint = create(NetworkServiceEndpointSchema),
): NetworkServiceEndpoint {
  if (identity) ownName(cache, identity, endpoint.networkServiceHost);
  const present = cache.endpoint(validKey(endpoint));
  const host = present?.networkServiceHost ?? endpoint.networkServiceHost;
  if (host === endpoint.networkServiceHost || !cache.managers.get(host)?.alive)
    return identity ? ofManager(endpoint, identity) : endpoint;
  throw new NsmError(
    'conflict',
    `endpoint ${JSON.stringify(endpoint.nseProviderName)} of ${JSON.stringify(endpoint.networkServiceName)} is served by manager ` +
      `${JSON.stringify(host)}: choose another name, or remove it there first`,
  );
}

/** Who serves an endpoint is its manager's to say, and of which trust domain that manager is its certificate's. */
function ofManager(endpoint: NetworkServiceEndpoint, { domain }: Identity): NetworkServiceEndpoint {
  return endpoint.provider ? { ...endpoint, provider: { ...endpoint.provider, domain } } : endpoint;
}

/** Removes nothing that another manager serves. @throws NsmError `untrusted` */
export function ownRemoval(
  cache: Pick<Known, 'managers'>,
  identity: Identity | undefined,
  removal: EndpointRemoval,
): EndpointRemoval {
  const { networkServiceHost: host = '', ...key } = removal;
  if (!identity) return removal;
  return { ...key, networkServiceHost: ownName(cache, identity, host === '' ? identity.name : host) };
}

/**
 * Of a claim whose holder has no lease: it may have arrived long after it was sent, when the holder has left or others count it as gone.
 * The holder registers itself again, and claims then.
 */
export function notAlive(holder: string): NsmError {
  return new NsmError(
    'registry',
    `manager ${JSON.stringify(holder)} is not registered, or its lease has run out: it claims nothing before it is registered again`,
  );
}
