// The simplest endpoint: clients reach it, and its kernel answers their pings.
import { type Served, type ServeOptions, serve } from '@nsm/sdk';
import { type ClientAddress, ClientAddresses } from './client-addresses.js';

export interface IcmpResponderOptions extends Omit<ServeOptions, 'onConnect' | 'onClose'> {
  /** Prefixes that clients reach through the endpoint. Default: none but the endpoint's own address. */
  readonly routes?: readonly string[] | undefined;
  /** Addresses to give to clients. Default: the manager allocates. */
  readonly addresses?: readonly ClientAddress[] | undefined;
}

export async function icmpResponder(options: IcmpResponderOptions): Promise<Served> {
  const { routes = [], addresses = [], ...rest } = options;
  const pool = new ClientAddresses(addresses);
  return await serve({
    ...rest,
    onConnect: (request) => ({ ...pool.take(request), routes }),
    onClose: (request) => pool.release(request),
  });
}
