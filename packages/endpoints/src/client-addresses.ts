// Addresses that an endpoint gives out itself, each to one client at a time.
import { NsmError } from '@nsm/api';
import { IpPrefix, whyNoHostAddress } from '@nsm/netlink';
import type { EndpointAnswer, EndpointRequest } from '@nsm/sdk';

/** A client's address and the endpoint's own on the same connection, both with prefix length. */
export interface ClientAddress {
  readonly client: string;
  /** Default: the manager's choice. */
  readonly endpoint?: string;
}

/**
 * Reads `CLIENT` or `CLIENT=ENDPOINT`, such as `10.60.1.1/31` or `10.60.1.2/24=10.60.1.1/24`.
 * @throws NsmError `invalid` for what is none, or what no host can have.
 */
export function parseClientAddress(text: string): ClientAddress {
  const [client, endpoint, ...rest] = text.split('=').map((address) => admit(address, text));
  if (!client || rest.length > 0) throw invalid(text);
  if (!endpoint && client.isHost)
    throw new NsmError(
      'invalid',
      `"${text}" has no other address in its network for the endpoint: write CLIENT=ENDPOINT as in ${client}=10.60.1.1/32`,
    );
  if (!endpoint) return { client: String(client) };
  if (client.version !== endpoint.version)
    throw new NsmError(
      'invalid',
      `"${text}" gives the client an IPv${client.version} address and the endpoint an IPv${endpoint.version} one: give each pair in one version, such as ${client}=${client.version === 4 ? '10.60.1.1/24' : 'fd00:60::1/64'}, and the other version in a pair of its own`,
    );
  if (client.value === endpoint.value)
    throw new NsmError('invalid', `"${text}" gives client and endpoint the same address; give them two`);
  return { client: String(client), endpoint: String(endpoint) };
}

export class ClientAddresses {
  readonly #addresses: readonly ClientAddress[];
  /** Client address → key of the connection that holds it. */
  readonly #held = new Map<string, string>();

  constructor(addresses: readonly ClientAddress[]) {
    this.#addresses = addresses;
  }

  /** One address of each family that there is; what the connection holds already comes first. */
  take(request: EndpointRequest): EndpointAnswer {
    if (this.#addresses.length === 0) return {};
    const key = keyOf(request);
    const taken: ClientAddress[] = [];
    for (const version of new Set(this.#addresses.map(versionOf))) {
      const all = this.#addresses.filter((address) => versionOf(address) === version);
      const found =
        all.find(({ client }) => this.#held.get(client) === key) ??
        all.find(({ client }) => !this.#held.has(client));
      if (!found) {
        this.release(request);
        return { refuse: `all ${all.length} IPv${version} addresses of the endpoint are taken` };
      }
      this.#held.set(found.client, key);
      taken.push(found);
    }
    return {
      addresses: taken.map(({ client }) => client),
      endpointAddresses: taken.flatMap(({ endpoint }) => (endpoint === undefined ? [] : [endpoint])),
    };
  }

  release(request: EndpointRequest): void {
    const key = keyOf(request);
    for (const [address, holder] of this.#held) if (holder === key) this.#held.delete(address);
  }
}

function keyOf({ requestId, service }: EndpointRequest): string {
  return JSON.stringify([requestId, service]);
}

function versionOf({ client }: ClientAddress): 4 | 6 {
  return IpPrefix.of(client).version;
}

function admit(address: string, text: string): IpPrefix {
  const prefix = address.includes('/') ? IpPrefix.parse(address) : undefined;
  if (!prefix) throw invalid(text);
  const why = whyNoHostAddress(prefix);
  if (why !== '') throw new NsmError('invalid', `"${text}": ${prefix} ${why}`);
  return prefix;
}

function invalid(text: string): NsmError {
  return new NsmError(
    'invalid',
    `"${text}" is not an address with prefix length: write 10.60.1.1/31, or CLIENT=ENDPOINT as in 10.60.1.2/24=10.60.1.1/24`,
  );
}
