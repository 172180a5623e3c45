// The addresses that a manager is told to be its own: refused where no node can have them, warned of
// where this node does not have them yet.
import { NsmError, splitHostPort } from '@nsm/api';
import { IpPrefix, RouteSocket, whyNoHostAddress } from '@nsm/netlink';
import type { Logger } from 'pino';

const loopback = { 4: IpPrefix.of('127.0.0.0/8'), 6: IpPrefix.of('::1/128') } as const;

/** @throws NsmError `invalid` for an address that no other node can send to. */
export function admitTunnelAddress(text: string): void {
  const address = IpPrefix.parseAddress(text);
  const why = address ? whyNoHostAddress(address) : 'is not an IP address';
  if (why !== '') throw new NsmError('invalid', `--tunnel-address ${text} ${why}`);
}

/** What may come right later, such as an address that DHCP or a failover brings, does not keep a manager from starting. */
export function warnOfStrangeAddresses(
  {
    tunnelAddress,
    advertise,
    registry,
  }: { readonly tunnelAddress?: string; readonly advertise: string; readonly registry: string },
  logger: Logger,
): void {
  if (tunnelAddress !== undefined && !isOwn(tunnelAddress))
    logger.warn(
      { tunnelAddress },
      'no device of this node has the --tunnel-address: until one has, connections to and from other nodes are refused',
    );
  const { host } = splitHostPort(advertise);
  const { host: other } = splitHostPort(registry.replace(/^[a-z]+:\/\//, ''));
  if (isLoopback(host) && registry !== 'embedded:' && !isLoopback(other))
    logger.warn(
      { advertise, registry },
      'the address that this manager advertises is a loopback address: managers of other nodes that read it in the registry would call themselves',
    );
}

function isOwn(text: string): boolean {
  using socket = RouteSocket.open();
  const address = IpPrefix.parseAddress(text)?.address;
  return socket.addresses().some((own) => IpPrefix.of(own.address).address === address);
}

function isLoopback(host: string): boolean {
  const address = IpPrefix.parseAddress(host);
  return host === 'localhost' || (address !== undefined && loopback[address.version].contains(address));
}
