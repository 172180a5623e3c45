// Which wiring makes a cross-connect, where several engines can.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { type Link, NetlinkError, type RouteLookup, type RouteSocket } from '@nsm/netlink';
import type { OpenPorts, Wiring } from '../port/wiring.js';

/** A wiring, and what it lacks here; '' when it works. */
export interface TriedWiring {
  readonly wiring: Wiring;
  readonly missing: string;
}

/**
 * Those that can make it, the best first.
 * @param obstructed whether a wiring cannot go the way of the tunnel: such a wiring is left out unless all are.
 * @throws NsmError `dataplane` when there is none.
 */
export function possibleWirings(
  tried: readonly TriedWiring[],
  { client, endpoint, tunnel }: fw.CrossConnect,
  obstructed: (wiring: Wiring) => boolean = () => false,
): readonly [Wiring, ...Wiring[]] {
  const type = client?.type ?? endpoint?.type;
  const other = client && endpoint ? endpoint.type : type;
  const fitting = tried.filter(
    ({ wiring }) =>
      wiring.interface === type &&
      (wiring.endpointInterface ?? wiring.interface) === other &&
      wiring.tunnel === tunnel?.type,
  );
  const working = fitting.flatMap(({ wiring, missing }) => (missing === '' ? [wiring] : []));
  const way = working.length > 1 ? working.filter((wiring) => !obstructed(wiring)) : [];
  const [first, ...others] = way.length > 0 ? way : working;
  if (first) return [first, ...others];
  const [broken] = fitting;
  throw new NsmError(
    'dataplane',
    broken
      ? `${broken.wiring.engine} does not work here: ${broken.missing}`
      : 'no wiring joins this interface type and this tunnel type on this node',
  );
}

/** What one engine has made is not made anew because another would be preferred. */
export function inOrder(
  possible: readonly [Wiring, ...Wiring[]],
  id: string,
  ports: OpenPorts,
): readonly [Wiring, ...Wiring[]] {
  if (possible.length === 1) return possible;
  const present = Object.values(ports).map((port) => port.find(id)?.kind);
  const maker = possible.find(({ deviceKind }) => deviceKind !== undefined && present.includes(deviceKind));
  return maker ? [maker, ...possible.filter((wiring) => wiring !== maker)] : possible;
}

/** Tells of a wiring whether it cannot go where the node's routes lead to the tunnel's other end: they are asked once. */
export function obstruction({ tunnel }: fw.CrossConnect, node: RouteSocket): (wiring: Wiring) => boolean {
  let way: readonly [RouteLookup, Link | undefined] | 'none' | undefined;
  return (wiring) => {
    if (!tunnel || !wiring.obstacle) return false;
    way ??= wayTo(tunnel.remote, node);
    // No route: no wiring has a way, and each says so itself.
    return way !== 'none' && wiring.obstacle(...way) !== '';
  };
}

function wayTo(remote: string, node: RouteSocket): readonly [RouteLookup, Link | undefined] | 'none' {
  try {
    const route = node.routeTo(remote);
    return [route, node.link(route.device)];
  } catch (error) {
    if (error instanceof NetlinkError) return 'none';
    throw error;
  }
}

/** Somebody else has the UDP port for himself; an engine that needs no socket can share it. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof NetlinkError && error.code === 'EADDRINUSE';
}
