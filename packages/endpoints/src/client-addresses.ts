// Addresses that an endpoint gives out itself, each to one client at a time.
import { isIP } from 'node:net';
import { NsmError } from '@nsm/api';
import type { EndpointAnswer, EndpointRequest } from '@nsm/sdk';

/** A client's address and the endpoint's own on the same connection, both with prefix length. */
export interface ClientAddress {
  readonly client: string;
  /** Default: the other address of a /31 or /127; otherwise the manager's choice. */
  readonly endpoint?: string;
}

/** Reads `CLIENT` or `CLIENT=ENDPOINT`, such as `10.60.1.1/31` or `10.60.1.2/24=10.60.1.1/24`. */
export function parseClientAddress(text: string): ClientAddress {
  const [client = '', given, ...rest] = text.split('=');
  if (rest.length > 0 || given === '') throw invalid(text);
  const family = checkCidr(client, text);
  const endpoint = given ?? mate(client);
  if (endpoint === undefined) return { client };
  if (checkCidr(endpoint, text) !== family) throw invalid(text);
  return { client, endpoint };
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
    for (const family of new Set(this.#addresses.map(({ client }) => familyOf(client)))) {
      const all = this.#addresses.filter(({ client }) => familyOf(client) === family);
      const found =
        all.find(({ client }) => this.#held.get(client) === key) ??
        all.find(({ client }) => !this.#held.has(client));
      if (!found) {
        this.release(request);
        return { refuse: `all ${all.length} IPv${family} addresses of the endpoint are taken` };
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

function familyOf(cidr: string): number {
  return isIP(cidr.split('/')[0] ?? '');
}

function checkCidr(cidr: string, text: string): number {
  const [address = '', length = '', ...rest] = cidr.split('/');
  const family = isIP(address);
  const max = family === 4 ? 32 : 128;
  if (!family || !/^\d{1,3}$/.test(length) || Number(length) > max || rest.length > 0) throw invalid(text);
  return family;
}

function invalid(text: string): NsmError {
  return new NsmError(
    'invalid',
    `"${text}" is not an address with prefix length: write 10.60.1.1/31, or CLIENT=ENDPOINT as in 10.60.1.2/24=10.60.1.1/24`,
  );
}

/** The other address of a point-to-point prefix (RFC 3021, RFC 6164): the one that differs in the last bit. */
function mate(cidr: string): string | undefined {
  const [address = '', length] = cidr.split('/');
  if (length === '31' && isIP(address) === 4)
    return `${address.replace(/\d+$/, (last) => String(Number(last) ^ 1))}/31`;
  if (length === '127' && isIP(address) === 6 && !address.includes('.')) {
    const last = Number.parseInt(/[0-9a-f]*$/i.exec(address)?.[0] || '0', 16) ^ 1;
    return `${address.replace(/[0-9a-f]*$/i, '')}${last.toString(16)}/127`;
  }
  return undefined;
}
