// Interface parameter `accept_routes`: the routes that a client takes from an endpoint although its pod sends those packets elsewhere now.
import { type Interface, NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { quote } from '../untrusted-text.js';

/** `any`, or networks within which each route is taken. */
export type AcceptedRoutes = 'any' | readonly IpPrefix[];

/** @throws NsmError `invalid` for a value that is neither `any` nor a list of prefixes with commas between them. */
export function acceptedRoutes({ parameters }: Interface): AcceptedRoutes {
  const text = parameters?.interfaceParameters.accept_routes ?? '';
  if (text === '') return [];
  if (text === 'any') return 'any';
  return text.split(',').map((part) => {
    const prefix = IpPrefix.parse(part.trim());
    if (prefix) return prefix.network;
    throw new NsmError(
      'invalid',
      `interface parameter accept_routes: ${quote(part)} is no prefix; write "any", or prefixes such as 10.60.0.0/16,fd00:60::/48`,
    );
  });
}

export function accepts(accepted: AcceptedRoutes, route: IpPrefix): boolean {
  if (accepted === 'any') return true;
  return accepted.some((prefix) => prefix.length <= route.length && prefix.contains(route));
}
