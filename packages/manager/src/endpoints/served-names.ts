// The request_id by which an endpoint knows a client's request. Clients choose their request_ids, each in its own network namespace: two of them may
// choose the same, and the endpoint is to take neither for the other.
import { type Connection, clientKeyOf, type ServedFor, servedAsOf } from '../state/connection.js';
import type { ConnectionTable } from '../state/connection-table.js';

/** What an endpoint of this node knows a connection by. */
export type ServedConnection = ServedFor & Pick<Connection, 'id' | 'service' | 'endpoint' | 'servedAs'>;

/** Characters of a request_id that stand before what tells it from another's. */
const maxKept = 100;

export class ServedNames {
  readonly #connections: Pick<ConnectionTable, 'ofClient' | 'servedAs'>;
  /** Clients by the names that endpoints were told and not yet told the end of. */
  readonly #taken = new Map<string, string>();

  constructor(connections: Pick<ConnectionTable, 'ofClient' | 'servedAs'>) {
    this.#connections = connections;
  }

  /**
   * The request_id, unless another client's connection has it at that endpoint.
   * @param hash of the connection.
   */
  take(served: ServedConnection, hash: string): string {
    const client = clientKeyOf(served);
    const former = this.others(served)[0];
    const { requestId } = served;
    const mine = (name: string): boolean =>
      [
        this.#taken.get(placeOf(served, name)),
        ...this.#connections
          .servedAs(name, served.service)
          .filter((other) => isSameEndpoint(other, served))
          .map(clientKeyOf),
      ].every((holder) => holder === undefined || holder === client);
    const own = mine(requestId) ? requestId : `${requestId.slice(0, maxKept)}-${hash}`;
    const name = former ? servedAsOf(former) : own;
    this.#taken.set(placeOf(served, name), client);
    return name;
  }

  /** Frees the name by which the endpoint knew the connection. */
  release(served: ServedConnection): void {
    this.#taken.delete(placeOf(served, servedAsOf(served)));
  }

  /** The connections of the same client's request at the same endpoint, which knows all of them by one request_id. */
  others(served: ServedConnection): readonly Connection[] {
    return this.#connections
      .ofClient(clientKeyOf(served))
      .filter((other) => other.id !== served.id && other.role !== 'CLIENT' && isSameEndpoint(other, served));
  }
}

type Place = Pick<Connection, 'service' | 'endpoint'>;

function isSameEndpoint(one: Place, other: Place): boolean {
  return one.service === other.service && one.endpoint.name === other.endpoint.name;
}

function placeOf({ service, endpoint }: Place, name: string): string {
  return [service, endpoint.name, name].join('\0');
}
