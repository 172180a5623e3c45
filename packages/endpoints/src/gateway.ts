// A gateway: clients reach the prefixes it serves through it, their addresses hidden behind its outside device.
import { type Served, type ServeOptions, serve } from '@nsm/sdk';
import { type ClientAddress, ClientAddresses } from './client-addresses.js';
import { enableForwarding } from './forwarding.js';
import { deleteGatewayTable, installGatewayTable } from './nftables.js';

export interface GatewayOptions extends Omit<ServeOptions, 'onConnect' | 'onClose'> {
  /** The device, in this process's network namespace, by which the served prefixes are reached. */
  readonly outside: string;
  /** Prefixes that clients reach through the gateway. Default: everything, in the families of `prefixes`. */
  readonly routes?: readonly string[] | undefined;
  /** Addresses to give to clients. Default: the manager allocates. */
  readonly addresses?: readonly ClientAddress[] | undefined;
}

/** One gateway for each network namespace: it owns the nftables table `inet nsm_gateway` there. */
export class Gateway implements AsyncDisposable {
  readonly served: Served;
  readonly #undo: () => void;
  #closing: Promise<void> | undefined;

  /** Made by gateway(). */
  constructor(served: Served, undo: () => void) {
    this.served = served;
    this.#undo = undo;
  }

  /** Withdraws the endpoint, then takes NAT and forwarding back. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.served.close().finally(this.#undo);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Turns the process's own network namespace into a gateway and serves it. Runs `nft` once, and once more at close().
 * @throws NsmError `invalid` when there is no such device, `privilege`, `dataplane`, and what serve() throws.
 */
export async function gateway(options: GatewayOptions): Promise<Gateway> {
  const { outside, routes = defaultRoutes(options), addresses = [], ...rest } = options;
  const pool = new ClientAddresses(addresses);
  const restoreForwarding = enableForwarding(outside);
  try {
    installGatewayTable(outside);
    const served = await serve({
      ...rest,
      onConnect: (request) => ({ ...pool.take(request), routes }),
      onClose: (request) => pool.release(request),
    });
    return new Gateway(served, () => {
      deleteGatewayTable();
      restoreForwarding();
    });
  } catch (thrown) {
    deleteGatewayTable();
    restoreForwarding();
    throw thrown;
  }
}

function defaultRoutes({ prefixes = [], addresses = [] }: GatewayOptions): string[] {
  const given = [...prefixes, ...addresses.map(({ client }) => client)];
  const routes = [];
  if (given.length === 0 || given.some((prefix) => !prefix.includes(':'))) routes.push('0.0.0.0/0');
  if (given.some((prefix) => prefix.includes(':'))) routes.push('::/0');
  return routes;
}
