// What a cross-connect must be before the kernel is asked, with every address written as the kernel writes it.
import { type forwarder as fw, isLinkName, linkNameRule, NsmError, traitsOf } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';

/**
 * What is wanted is compared with what the kernel has, so an address that is written otherwise would never be there.
 * @throws NsmError `invalid` for a name that Linux does not take, or what is no address.
 */
export function validCrossConnect(crossConnect: fw.CrossConnect): fw.CrossConnect {
  const { client, endpoint, tunnel } = crossConnect;
  return {
    ...crossConnect,
    ...(client ? { client: validPort(client) } : {}),
    ...(endpoint ? { endpoint: validPort(endpoint) } : {}),
    ...(tunnel
      ? { tunnel: { ...tunnel, local: validAddress(tunnel.local), remote: validAddress(tunnel.remote) } }
      : {}),
  };
}

/** @param text an address without length, or '' for none. @throws NsmError `invalid` */
export function validAddress(text: string): string {
  return text === '' ? '' : known(IpPrefix.parseAddress(text), text).address;
}

function validPort(port: fw.Port): fw.Port {
  if (traitsOf(port.type).hasDevice && !isLinkName(port.name.replace('%d', '9')))
    throw new NsmError(
      'invalid',
      `${JSON.stringify(port.name)} cannot name an interface: ${linkNameRule}, save one "%d"`,
    );
  const { sources } = port;
  return {
    ...port,
    ...(sources ? { sources: { ...sources, prefixes: sources.prefixes.map(validNetwork) } } : {}),
    addresses: port.addresses.map((text) => String(known(IpPrefix.parse(text), text))),
    peerAddresses: port.peerAddresses.map(validAddress),
    routes: port.routes.map(({ destination, gateway, ...rest }) => ({
      ...rest,
      destination: validNetwork(destination),
      gateway: validAddress(gateway),
    })),
  };
}

function validNetwork(text: string): string {
  return String(known(IpPrefix.parse(text), text).network);
}

function known(address: IpPrefix | undefined, text: string): IpPrefix {
  if (address) return address;
  throw new NsmError('invalid', `${JSON.stringify(text)} is not an IP address or prefix`);
}
