// Which addresses a host can have on an interface, and which networks can be routed to (RFC 6890 and the RFCs named below).
import { IpPrefix } from './ip-prefix.js';

/** What stands for something else than one host, wherever it is written. */
const specialRanges = (): readonly (readonly [range: IpPrefix, what: string])[] => [
  [IpPrefix.of('0.0.0.0/8'), 'stands for "this network" (RFC 1122)'],
  [IpPrefix.of('127.0.0.0/8'), 'is a loopback address'],
  [IpPrefix.of('224.0.0.0/4'), 'is a multicast address'],
  [IpPrefix.of('240.0.0.0/4'), 'is of the reserved class E (RFC 1112)'],
  [IpPrefix.of('::/128'), 'is the unspecified address'],
  [IpPrefix.of('::1/128'), 'is the loopback address'],
  // As the kernel holds it: `IpPrefix` reads it as IPv4 wherever its length tells an IPv4 network.
  [new IpPrefix(6, 0xffff_0000_0000n, 96), 'is an IPv4 address with a length that is none of IPv4'],
  [IpPrefix.of('ff00::/8'), 'is a multicast address'],
  [
    IpPrefix.of('fe80::/10'),
    'is link-local, and applications would have to name the interface with it: take one of fd00::/8',
  ],
];
/** Read when first asked for. */
let special: ReturnType<typeof specialRanges> | undefined;

/** Why no host can have an address on an interface; '' when one can. */
export function whyNoHostAddress(address: IpPrefix): string {
  const why = whyNoDestination(address.host);
  if (why !== '') return why;
  const { version, value, first, last, length, bits } = address;
  if (length === 0) return 'has a network of all addresses there are';
  // The kernel makes no route to it (inet_insert_ifa and fib_add_ifaddr, net/ipv4).
  if (version === 4 && first < 1n << 24n) return `has a network that begins with 0, ${address.network}`;
  // Networks of two addresses, and single addresses, have neither (RFC 3021, RFC 6164).
  if (length >= bits - 1) return '';
  if (value === first)
    return version === 4
      ? 'is the address of its network'
      : 'is the address of all routers of its network (RFC 4291, section 2.6.1)';
  return version === 4 && value === last ? 'is the broadcast address of its network' : '';
}

/** Why a network cannot be routed to; '' when it can. */
export function whyNoDestination(network: IpPrefix): string {
  special ??= specialRanges();
  return special.find(([range]) => range.length <= network.length && range.contains(network))?.[1] ?? '';
}
