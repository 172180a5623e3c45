// The addresses of both sides of a connection, as an answer gave them: those that are missing are added where the others say which,
// and sides that would be taken for each other are refused.
import type { NsmError } from '@nsm/api';
import { IpPrefix, whyNoHostAddress } from '@nsm/netlink';
import { wrong } from './answer-fields.js';

/** What the fields with each side's addresses are called, for refusals. */
export interface Fields {
  readonly client: string;
  readonly endpoint: string;
}

/** Addresses of one version of IP, as an endpoint gave them. */
export interface Given {
  readonly client: readonly IpPrefix[];
  readonly endpoint: readonly IpPrefix[];
  readonly told: readonly IpPrefix[];
}

/** A side without an address gets one of the other's network, where that says which; an endpoint may answer elsewhere (`told`). */
export function completed({ client, endpoint, told }: Given, fields: Fields): Omit<Given, 'told'> {
  const [own] = client;
  const [other] = endpoint;
  if (!own && !other) throw noWay(`${fields.client}.peer_addresses`, told[0], 'the client');
  if (own && !other && told.length === 0)
    return {
      client,
      endpoint: [mateOf(own, client, `${fields.client}.addresses`, `${fields.endpoint}.addresses`)],
    };
  if (!own && other) {
    if (other.length !== other.bits - 1)
      throw wrong(
        `${fields.endpoint}.addresses`,
        other,
        `has no address of the client beside it; give ${fields.client}.addresses too, or leave both to the manager`,
      );
    return { client: [new IpPrefix(other.version, other.value ^ 1n, other.length)], endpoint };
  }
  return { client, endpoint };
}

/** The client's side alone: the endpoint's side is the other manager's to complete. */
export function withPeers({ client, told }: Given, field: string): Omit<Given, 'told'> {
  const [own] = client;
  if (!own) throw noWay(`${field}.peer_addresses`, told[0], 'the client');
  if (told.length === 0)
    throw wrong(`${field}.addresses`, own, 'has no address of the endpoint in peer_addresses beside it');
  return { client, endpoint: [] };
}

/** The other address of a network of two, else the lowest that is free. */
function mateOf(own: IpPrefix, taken: readonly IpPrefix[], field: string, missing: string): IpPrefix {
  if (own.length === own.bits - 1) return new IpPrefix(own.version, own.value ^ 1n, own.length);
  for (let offset = 1n; !own.isHost && own.first + offset < own.last; offset++) {
    const mate = own.at(offset);
    if (taken.every(({ value }) => value !== mate.value)) return mate;
  }
  throw wrong(field, own, `leaves no address of its network to the endpoint; give ${missing} too`);
}

/** No address stands on both sides, and none of one is the network's or everybody's in a network of the other. */
export function refuseConfusion({ client, endpoint, told }: Given, fields: Fields): void {
  const others = [
    ...endpoint.map((other) => [other, `${fields.endpoint}.addresses`] as const),
    ...told.map((other) => [other, `${fields.client}.peer_addresses`] as const),
  ];
  for (const own of client) {
    for (const [other, field] of others) {
      if (other.version === own.version && other.value === own.value)
        throw wrong(`${fields.client}.addresses`, own, `stands in ${field} as well; give each side its own`);
      refuseWithin(own, other, field);
    }
    for (const other of endpoint) refuseWithin(other, own, `${fields.client}.addresses`);
  }
}

export function refuseWithin(network: IpPrefix, address: IpPrefix, field: string): void {
  if (!network.contains(address)) return;
  const why = whyNoHostAddress(new IpPrefix(address.version, address.value, network.length));
  if (why !== '') throw wrong(field, address, `${why}, ${network.network} of the other side`);
}

/** @returns the refusal of an address or route that nothing leads to. */
export function noWay(field: string, to: IpPrefix | undefined, side: string): NsmError {
  const version = to?.version ?? 4;
  return wrong(
    field,
    to,
    `leads nowhere: there is no IPv${version} address of ${side} to go through; give one, or leave it out`,
  );
}
