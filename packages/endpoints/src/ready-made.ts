// What the ready-made endpoints have in common: routes and addresses given to each client, and news of who comes and goes.
import type { EndpointHooks, EndpointRequest, ServeOptions } from '@nsm/sdk';
import { type ClientAddress, ClientAddresses } from './client-addresses.js';

export interface ReadyMadeOptions extends Omit<ServeOptions, 'onConnect' | 'onClose'> {
  /** Prefixes that clients reach through the endpoint. */
  readonly routes?: readonly string[] | undefined;
  /** Addresses to give to clients. Default: the manager allocates. */
  readonly addresses?: readonly ClientAddress[] | undefined;
  /** Hears of every client that is accepted, refused, or gone. */
  readonly onClient?: ((event: ClientEvent) => void) | undefined;
}

export interface ClientEvent {
  readonly kind: 'accepted' | 'refused' | 'gone';
  readonly request: EndpointRequest;
  /** Why it was refused or is gone; empty when there is nothing to say. */
  readonly reason: string;
}

/** The hooks of such an endpoint. */
export function readyMadeHooks(options: ReadyMadeOptions, routes: readonly string[]): EndpointHooks {
  const pool = new ClientAddresses(options.addresses ?? []);
  const tell = options.onClient ?? (() => {});
  return {
    onConnect: (request) => {
      const answer = { ...pool.take(request), routes };
      tell({ kind: answer.refuse ? 'refused' : 'accepted', request, reason: answer.refuse ?? '' });
      return answer;
    },
    onClose: (request, reason) => {
      pool.release(request);
      tell({ kind: 'gone', request, reason });
    },
  };
}
