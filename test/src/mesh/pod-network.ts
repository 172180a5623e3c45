// What the kernel says of a pod's interfaces, by `ip`: the tests' independent oracle.
import { ipJson, ping } from '@nsm/testkit';

/** A device of a pod. */
export interface Device {
  readonly name: string;
  readonly index: number;
  readonly alias: string;
  readonly mtu: number;
  readonly mac: string;
  readonly up: boolean;
  /** With prefix length, without link-local ones. */
  readonly addresses: readonly string[];
  /** `DESTINATION` or `DESTINATION via GATEWAY`, without the kernel's own. */
  readonly routes: readonly string[];
  /** Those that the kernel made from the addresses, without link-local ones. */
  readonly connected: readonly string[];
  /** Kind such as veth or vxlan, with its own fields. */
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface IpAddress {
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
}

interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev: string;
  readonly protocol: string;
}

/** Every device of a namespace but `lo`. */
export const devicesOf = async (namespace: string): Promise<Device[]> => {
  const [links, routes4, routes6] = await Promise.all([
    ipJson(namespace, ['address']),
    ipJson(namespace, ['route']),
    ipJson(namespace, ['-6', 'route']),
  ]);
  const routes = [...routes4, ...routes6] as unknown as IpRoute[];
  return links
    .filter(({ ifname }) => ifname !== 'lo')
    .map((link) => {
      const info = (link.linkinfo ?? {}) as { info_kind?: string; info_data?: Record<string, unknown> };
      const via = (wanted: (route: IpRoute) => boolean): string[] =>
        routes
          .filter((route) => route.dev === link.ifname && wanted(route))
          .map(({ dst, gateway }) => (gateway ? `${dst} via ${gateway}` : dst));
      return {
        name: String(link.ifname),
        index: Number(link.ifindex),
        alias: String(link.ifalias ?? ''),
        mtu: Number(link.mtu),
        mac: String(link.address),
        up: (link.flags as string[]).includes('UP'),
        addresses: (link.addr_info as IpAddress[])
          .filter(({ scope }) => scope !== 'link')
          .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
        routes: via(({ protocol }) => protocol !== 'kernel'),
        // The link-local one comes only when duplicate address detection is over.
        connected: via(({ protocol, dst }) => protocol === 'kernel' && !dst.startsWith('fe80:')),
        kind: info.info_kind ?? '',
        data: info.info_data ?? {},
      };
    });
};

/** The device that carries a connection. @throws Error when there is none, or more than one */
export const deviceOf = async (namespace: string, connectionHash: string): Promise<Device> => {
  const found = (await devicesOf(namespace)).filter(({ alias }) => alias.endsWith(connectionHash));
  const [device] = found;
  if (!device || found.length > 1)
    throw new Error(`${found.length} devices of ${namespace} have the alias …${connectionHash}`);
  return device;
};

/** The part of a connection id that both ends share. */
export const hashOf = (connectionId: string): string => /[0-9a-f]+$/.exec(connectionId)?.[0] ?? '';

/** Address without its prefix length. */
export const bare = (address: string): string => address.replace(/\/\d+$/, '');

/** True when pings of the full MTU pass unfragmented. */
export const passes = async (namespace: string, address: string, mtu: number): Promise<boolean> => {
  const { received } = await ping(namespace, address, { size: mtu - headers(address), df: true, count: 2 });
  return received === 2;
};

/** True when not even the sender's own kernel lets a packet of this size out. */
export const isTooLong = async (namespace: string, address: string, size: number): Promise<boolean> => {
  const { received, output } = await ping(namespace, address, {
    size: size - headers(address),
    df: true,
    deadline: 1,
  });
  return received === 0 && /message too long/i.test(output);
};

/** Bytes of IP and ICMP headers. */
const headers = (address: string): number => (address.includes(':') ? 48 : 28);
