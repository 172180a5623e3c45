// Prefixes and addresses on the command line, and prefixes for one network service: read here, and written in one way from here on.
import { whyNoDestination } from '@nsm/netlink/host-address';
import { IpPrefix } from '@nsm/netlink/ip-prefix';
import { InvalidArgumentError } from 'commander';

/** Reads ADDRESS/LENGTH, IPv4 or IPv6; gives the network without host bits. */
export function parseCidr(text: string): string {
  const network = text.includes('/') ? IpPrefix.parse(text)?.network : undefined;
  if (!network) throw new InvalidArgumentError('Write a prefix as 10.60.0.0/16 or fd00:60::/48.');
  const why = whyNoDestination(network);
  if (why !== '') throw new InvalidArgumentError(`${network} ${why}; write one such as 10.60.0.0/16.`);
  return String(network);
}

/** Reads [SERVICE=]ADDRESS/LENGTH. */
export function parseServicePrefix(text: string): { readonly service?: string; readonly cidr: string } {
  const at = text.indexOf('=');
  if (at < 0) return { cidr: parseCidr(text) };
  const service = text.slice(0, at);
  if (service === '') throw new InvalidArgumentError('Write CIDR, or SERVICE=CIDR as in vpn=10.60.0.0/16.');
  return { service, cidr: parseCidr(text.slice(at + 1)) };
}

/** Reads an address without length. */
export function parseAddress(text: string): string {
  const address = IpPrefix.parseAddress(text)?.address;
  if (address === undefined) throw new InvalidArgumentError('Write an address as 192.0.2.1 or 2001:db8::1.');
  return address;
}
