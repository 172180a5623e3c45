// The MTU of a connection: what its way allows at most, and its default. Bytes throughout.
import { type Interface, NsmError, traitsOf } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';

/** RFC 791, and RFC 8200, section 5. */
const least = { 4: 68, 6: 1280 } as const;

/** What every host takes, RFC 791, section 3.1, and RFC 8200, section 5: an endpoint that gives less breaks its client's ways. */
const leastGiven = { 4: 576, 6: 1280 } as const;

/** Limits of the parameter: what IPv4 needs, and what the kernel's Ethernet devices take. */
const askable = { least: least[4], most: 65_535 } as const;

/** The default where the way allows more: what every application expects of an Ethernet. */
const usualMtu = 1500;

/** A veth device's largest, ETH_MAX_MTU. */
const vethMost = 65_535;
/** A TAP device's largest: the kernel counts its Ethernet header. */
const tapMost = 65_521;

export interface Mtu {
  /** The MTU where the endpoint names none. */
  readonly usual: number;
  /** The largest MTU that fits and that the client wants. */
  readonly most: number;
  /** The MTU that the client asks for, which may not fit. Absent: the client asks for none. */
  readonly asked?: number | undefined;
}

/**
 * What an interface's parameter `mtu` asks for.
 * @throws NsmError `invalid` for what is no MTU.
 */
export function askedMtu({ parameters }: Interface): number | undefined {
  const asked = parameters?.interfaceParameters.mtu;
  if (asked === undefined) return undefined;
  const mtu = Number(asked);
  if (/^\d{1,5}$/.test(asked) && mtu >= askable.least && mtu <= askable.most) return mtu;
  throw new NsmError(
    'invalid',
    `interface parameter mtu is ${JSON.stringify(asked.slice(0, 64))}: it must be ${askable.least} to ${askable.most} bytes`,
  );
}

/** The MTU of a physical network: only the client's operator knows what that network carries. */
export function wireMtu(client: Interface): Mtu {
  const asked = askedMtu(client);
  const mtu = asked ?? usualMtu;
  return { usual: mtu, most: mtu, asked };
}

/**
 * Between two pods of one node, where nothing but their devices limits it.
 * @param told what the client was told before its connection was made anew. Default: nothing.
 */
export function localMtu(client: Interface, endpoint: Interface, told?: number): Mtu {
  const pair = traitsOf(client.type).makesPair && traitsOf(endpoint.type).makesPair;
  return within(pair ? vethMost : tapMost, client, told, usualMtu);
}

/** Through a tunnel that carries `way` bytes of the pod. @param told as for `localMtu`; 0: nothing. */
export function tunnelledMtu(way: number, client: Interface, told: number): Mtu {
  return within(way, client, told || undefined, way);
}

function within(way: number, client: Interface, told: number | undefined, otherwise: number): Mtu {
  const asked = askedMtu(client);
  const most = Math.min(way, asked ?? way);
  return { most, usual: Math.min(most, asked ?? told ?? otherwise), asked };
}

/** @param named by the endpoint; 0: none. */
export function agreedMtu({ usual, most }: Mtu, named: number): number {
  return Math.min(most, named || usual);
}

interface Need {
  readonly version: 4 | 6;
  readonly bytes: number;
}

/** What the version of IP that needs most needs, of those of which there are addresses, with prefix length. */
function neededMtu(addresses: readonly string[], by: Readonly<Record<4 | 6, number>> = least): Need {
  const version = addresses.some((address) => IpPrefix.of(address).version === 6) ? 6 : 4;
  return { version, bytes: by[version] };
}

/** The least that an endpoint may give a client with these addresses. */
export function leastMtuGiven(addresses: readonly string[]): Need {
  return neededMtu(addresses, leastGiven);
}

/**
 * @param mtu agreed on; 0: not known.
 * @throws NsmError `invalid` where the client asks for less than its addresses need, `dataplane` where its way carries less.
 */
export function requireRoom(mtu: number, { asked }: Mtu, addresses: readonly string[]): void {
  const { version, bytes } = neededMtu(addresses);
  if (mtu === 0 || mtu >= bytes) return;
  const need = `below the ${bytes} bytes that IPv${version} needs, of which the connection has addresses`;
  throw asked === mtu
    ? new NsmError('invalid', `interface parameter mtu ${mtu} is ${need}; ask for ${bytes} or more`)
    : new NsmError(
        'dataplane',
        `the way to the endpoint carries packets of ${mtu} bytes, ${need}; raise the MTU of the network between the nodes, or give addresses of IPv4 alone`,
      );
}
