// What the ready-made endpoints have in common: routes and addresses given to each client, news of who comes and goes, an end.
import { maxRoutes, NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import type { EndpointHooks, EndpointRequest, Served, ServeOptions } from '@nsm/sdk';
import { type ClientAddress, ClientAddresses } from './client-addresses.js';

export interface ReadyMadeOptions extends Omit<ServeOptions, 'onConnect' | 'onClose'> {
  /** Prefixes that clients reach through the endpoint. */
  readonly routes?: readonly string[] | undefined;
  /** Addresses to give to clients. Default: the manager allocates. */
  readonly addresses?: readonly ClientAddress[] | undefined;
  /** MTU of its clients, bytes, as far as the way to them allows. Default: 1500 on its own node, elsewhere what fits through. */
  readonly mtu?: number | undefined;
  /** Hears of every client that is accepted, refused, or gone. */
  readonly onClient?: ((event: ClientEvent) => void) | undefined;
}

export interface ClientEvent {
  readonly kind: 'accepted' | 'refused' | 'gone';
  readonly request: EndpointRequest;
  /** Why it was refused or is gone; empty when there is nothing to say. */
  readonly reason: string;
}

/** An endpoint that has changed something of its network namespace. */
export class ReadyMade implements AsyncDisposable {
  readonly served: Served;
  readonly #undo: () => void;
  #closing: Promise<void> | undefined;

  /** @param undo takes back what was changed. */
  constructor(served: Served, undo: () => void) {
    this.served = served;
    this.#undo = undo;
  }

  /** Withdraws the endpoint, then takes back what it changed. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.served.close().finally(this.#undo);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * The hooks of such an endpoint.
 * @throws NsmError `invalid` for more routes than a connection may have, or one that none of the addresses leads to.
 */
export function readyMadeHooks(options: ReadyMadeOptions, routes: readonly string[]): EndpointHooks {
  // Its clients could do nothing about it.
  if (routes.length > maxRoutes)
    throw new NsmError(
      'invalid',
      `the endpoint has ${routes.length} routes for its clients; at most ${maxRoutes} are accepted: give prefixes that take several together`,
    );
  const { addresses = [] } = options;
  const versions = new Set(addresses.map(({ client }) => IpPrefix.of(client).version));
  const lost = routes.find((route) => versions.size > 0 && !versions.has(IpPrefix.of(route).version));
  if (lost !== undefined)
    throw new NsmError(
      'invalid',
      `clients get no IPv${IpPrefix.of(lost).version} address to reach route ${lost} by; give them one by --address, or leave the route out`,
    );
  const pool = new ClientAddresses(addresses);
  const tell = options.onClient ?? (() => {});
  return {
    onConnect: (request) => {
      const answer = { ...pool.take(request), routes, mtu: options.mtu };
      tell({ kind: answer.refuse ? 'refused' : 'accepted', request, reason: answer.refuse ?? '' });
      return answer;
    },
    onClose: (request, reason) => {
      pool.release(request);
      tell({ kind: 'gone', request, reason });
    },
  };
}
