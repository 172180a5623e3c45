// How much of a registry one manager may take. Each manager holds a copy of all records: whoever has taken over a node would fill the
// memory of all the others.
import { NsmError } from '@nsm/api';

/** Records of endpoints and their bytes: an endpoint with thousands of services has one for each, of some 300 bytes. */
const most = { endpoints: 65_536, bytes: 32 << 20, claims: 4096 } as const;

interface EndpointRecord {
  readonly manager: string;
  readonly bytes: number;
}

interface Share {
  endpoints: number;
  bytes: number;
  claims: number;
}

const none: Readonly<Share> = { endpoints: 0, bytes: 0, claims: 0 };

export class ManagerShares {
  readonly #endpoints = new Map<string, EndpointRecord>();
  readonly #of = new Map<string, Share>();

  /** @param bytes of the encoded record. @throws NsmError `invalid` when the manager would have too many. */
  admitEndpoint(key: string, manager: string, bytes: number): void {
    const before = this.#endpoints.get(key);
    const share = this.#of.get(manager) ?? none;
    const own = before?.manager === manager ? before.bytes : undefined;
    if (own === undefined && share.endpoints >= most.endpoints)
      throw tooMuch(manager, `${most.endpoints} endpoints`);
    if (bytes > (own ?? 0) && share.bytes - (own ?? 0) + bytes > most.bytes)
      throw tooMuch(manager, `endpoints of ${most.bytes >> 20} MiB`);
  }

  /** Written, or written anew. */
  addEndpoint(key: string, manager: string, bytes: number): void {
    this.removeEndpoint(key);
    this.#endpoints.set(key, { manager, bytes });
    this.#add(manager, { endpoints: 1, bytes, claims: 0 });
  }

  removeEndpoint(key: string): void {
    const record = this.#endpoints.get(key);
    if (!record) return;
    this.#endpoints.delete(key);
    this.#add(record.manager, { endpoints: -1, bytes: -record.bytes, claims: 0 });
  }

  /** @throws NsmError `invalid` when the manager has too many. */
  admitClaim(manager: string): void {
    if ((this.#of.get(manager) ?? none).claims >= most.claims)
      throw tooMuch(manager, `${most.claims} claims`);
  }

  addClaim(manager: string): void {
    this.#add(manager, { endpoints: 0, bytes: 0, claims: 1 });
  }

  removeClaim(manager: string): void {
    this.#add(manager, { endpoints: 0, bytes: 0, claims: -1 });
  }

  #add(manager: string, { endpoints, bytes, claims }: Readonly<Share>): void {
    const share = this.#of.get(manager) ?? { ...none };
    share.endpoints += endpoints;
    share.bytes += bytes;
    share.claims += claims;
    if (share.endpoints === 0 && share.claims === 0) this.#of.delete(manager);
    else this.#of.set(manager, share);
  }
}

function tooMuch(manager: string, what: string): NsmError {
  return new NsmError(
    'invalid',
    `manager ${JSON.stringify(manager)} has ${what} in the registry, which holds no more of one manager`,
  );
}
