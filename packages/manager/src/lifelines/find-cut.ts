// Whether a connection would lead a node's own lifelines into itself. Pure: routes in, the first that would cut one out.
import { IpPrefix } from '@nsm/netlink';
import { LongestMatch } from './longest-match.js';

/** What a node must reach past all its connections: the other ends of its tunnels, other managers, the registry. */
export interface Lifeline {
  readonly address: string;
  /** For people, such as `manager "node-b"`. */
  readonly what: string;
}

/** What a connection brings into a network namespace. */
export interface Brought {
  /** Destinations, with prefix length. */
  readonly routes: readonly string[];
  /** With prefix length: each also brings the route to its network. */
  readonly addresses: readonly string[];
}

export interface Cut {
  /** `route 0.0.0.0/0` or `address 10.9.2.5/16`. */
  readonly by: string;
  readonly lifeline: Lifeline;
}

/**
 * Packets follow the longest prefix; metrics count between equal prefixes only, where the new route may win. So a default route cuts
 * whatever is reached by another, put as two halves or not, and a more specific route of the underlay protects.
 * @param present prefixes that the namespace routes already; default routes may be left out.
 */
export function findCut(
  lifelines: readonly Lifeline[],
  present: readonly string[],
  { routes, addresses }: Brought,
): Cut | undefined {
  if (lifelines.length === 0 || routes.length + addresses.length === 0) return undefined;
  const added = new LongestMatch<string>();
  for (const route of routes) added.add(IpPrefix.of(route), `route ${route}`);
  for (const address of addresses) {
    added.add(IpPrefix.of(address), `address ${address}`);
    // Packets to an address of one's own stay.
    added.add(IpPrefix.of(address).host, `address ${address}`);
  }
  const before = new LongestMatch<true>();
  for (const prefix of present) before.add(IpPrefix.of(prefix), true);
  for (const lifeline of lifelines) {
    const target = IpPrefix.of(lifeline.address);
    const taken = added.find(target);
    if (taken && taken.length >= (before.find(target)?.length ?? 0)) return { by: taken.value, lifeline };
  }
  return undefined;
}
