// A gateway: clients reach the prefixes it serves through it, their addresses hidden behind its outside device.
import { takeNamespaceLock } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { type EndpointHooks, serve } from '@nsm/sdk';
import { trackingFull } from './connection-tracking.js';
import { enableForwarding, passedOn } from './forwarding.js';
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
    const routes = options.routes ?? defaultRoutes(options);
    steps.push(enableForwarding(options.outside, versionsOf(options, routes)));
    installGatewayTable(options.outside);
    steps.push(deleteGatewayTable);
    const hooks = readyMadeHooks(options, routes);
    const onConnect: EndpointHooks['onConnect'] = (request) => {
      // Its packets would be dropped; another gateway may have room.
      const full = trackingFull();
      return full === undefined ? hooks.onConnect?.(request) : { refuse: full };
    };
    const interfaces = (options.interfaces ?? ['kernel']).map(passedOn);
    return new ReadyMade(await serve({ ...options, ...hooks, interfaces, onConnect }), undo);
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

function defaultRoutes(options: GatewayOptions): string[] {
  const versions = versionsOf(options, []);
  const routes = [];
  if (versions.size === 0 || versions.has(4)) routes.push('0.0.0.0/0');
  if (versions.has(6)) routes.push('::/0');
  return routes;
}

/** Those that clients have addresses and routes of. */
function versionsOf(
  { prefixes = [], addresses = [] }: GatewayOptions,
  routes: readonly string[],
): ReadonlySet<4 | 6> {
  const given = [...prefixes, ...addresses.map(({ client }) => client), ...routes];
  return new Set(given.map((text) => IpPrefix.of(text).version));
}
