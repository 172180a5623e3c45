// A gateway: clients reach the prefixes it serves through it, their addresses hidden behind its outside device.
import { takeNamespaceLock } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { type EndpointHooks, serve } from '@nsm/sdk';
import { trackingFull } from './connection-tracking.js';
import { enableForwarding } from './forwarding.js';
import { deleteGatewayTable, installGatewayTable } from './nftables.js';
import { ReadyMade, type ReadyMadeOptions, readyMadeHooks } from './ready-made.js';

export interface GatewayOptions extends ReadyMadeOptions {
  /** The device, in this process's network namespace, by which the served prefixes are reached. */
  readonly outside: string;
}

/**
 * Turns the process's own network namespace into a gateway and serves it, one in each: it owns the nftables table
 * `inet nsm_gateway` there. Without `routes` clients reach everything through it, in the families of `prefixes` and
 * `addresses`. Runs `nft` once, and once more at close().
 * @throws NsmError `invalid` when there is no such device, `conflict` when the namespace has a gateway, `privilege`, `dataplane`, and what serve() throws.
 */
export async function gateway(options: GatewayOptions): Promise<ReadyMade> {
  const steps: (() => void)[] = [];
  const undo = (): void => undoAll(steps);
  try {
    // Another gateway's table must not be replaced, nor removed when this one fails.
    steps.push(await takeNamespaceLock('nsm-gateway', 'a gateway'));
    steps.push(enableForwarding(options.outside));
    installGatewayTable(options.outside);
    steps.push(deleteGatewayTable);
    const hooks = readyMadeHooks(options, options.routes ?? defaultRoutes(options));
    const onConnect: EndpointHooks['onConnect'] = (request) => {
      // Its packets would be dropped; another gateway may have room.
      const full = trackingFull();
      return full === undefined ? hooks.onConnect?.(request) : { refuse: full };
    };
    return new ReadyMade(await serve({ ...options, ...hooks, onConnect }), undo);
  } catch (thrown) {
    undo();
    throw thrown;
  }
}

/** Last step first, each of them whatever becomes of the others. */
function undoAll(steps: (() => void)[]): void {
  const step = steps.pop();
  if (!step) return;
  try {
    step();
  } finally {
    undoAll(steps);
  }
}

function defaultRoutes({ prefixes = [], addresses = [] }: GatewayOptions): string[] {
  const given = [...prefixes, ...addresses.map(({ client }) => client)].map(
    (text) => IpPrefix.of(text).version,
  );
  const routes = [];
  if (given.length === 0 || given.includes(4)) routes.push('0.0.0.0/0');
  if (given.includes(6)) routes.push('::/0');
  return routes;
}
