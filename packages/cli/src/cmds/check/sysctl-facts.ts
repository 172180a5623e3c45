// Facts of the kernel's settings, in the network namespace that this process is in.
import { isIPv6 } from 'node:net';
import { splitHostPort } from '@nsm/api';
import { RouteSocket, readSetting } from '@nsm/netlink';
import type { CheckContext } from './check-context.js';

export interface SysctlFacts {
  readonly forwarding6: boolean;
  /** Devices with addresses by which packets leave this machine, those of the mesh and of containers left out. */
  readonly uplinks: readonly UplinkSettings[];
  readonly rpFilterAll: number;
  /** By `all`, `default` and the uplinks. */
  readonly arpIgnore: Readonly<Record<string, number>>;
  /** Other nodes call this one by IPv6. */
  readonly ipv6Underlay: boolean;
  readonly bpfJit: number;
  readonly somaxconn: number;
  readonly netdevBacklog: number;
  readonly neighbours: readonly {
    readonly family: 'ipv4' | 'ipv6';
    readonly entries: number;
    readonly limit: number;
  }[];
  readonly inotifyInstances: number;
  readonly inotifyWatches: number;
  readonly conntrack: { readonly entries: number; readonly limit: number } | undefined;
  /** That this node listens on. */
  readonly port: number;
  readonly localPorts: readonly [lowest: number, highest: number];
  readonly reservedPorts: readonly (readonly [from: number, to: number])[];
}

interface UplinkSettings {
  readonly name: string;
  readonly rpFilter: number;
  readonly acceptRa: number;
  readonly disableIpv6: boolean;
}

export async function readSysctlFacts(context: CheckContext): Promise<SysctlFacts> {
  const manager = await context.managerIfAny();
  const listen = manager?.status.listen || context.flags.listen;
  const address = manager?.view.manager.address ?? '';
  using socket = RouteSocket.open();
  const uplinks = uplinkNames(socket).map((name) => ({
    name,
    rpFilter: setting(`net/ipv4/conf/${name}/rp_filter`),
    acceptRa: setting(`net/ipv6/conf/${name}/accept_ra`),
    disableIpv6: setting(`net/ipv6/conf/${name}/disable_ipv6`) === 1,
  }));
  const [lowest = 0, highest = 0] = (readSetting('net/ipv4/ip_local_port_range') ?? '')
    .split(/\s+/)
    .map(Number);
  return {
    forwarding6: setting('net/ipv6/conf/all/forwarding') === 1,
    uplinks,
    rpFilterAll: setting('net/ipv4/conf/all/rp_filter'),
    arpIgnore: Object.fromEntries(
      ['all', 'default', ...uplinks.map(({ name }) => name)].map((name) => [
        name,
        setting(`net/ipv4/conf/${name}/arp_ignore`),
      ]),
    ),
    ipv6Underlay: isIPv6(splitHostPort(address).host),
    bpfJit: setting('net/core/bpf_jit_enable', 1),
    somaxconn: setting('net/core/somaxconn', 4096),
    netdevBacklog: setting('net/core/netdev_max_backlog', 1000),
    neighbours: (['ipv4', 'ipv6'] as const).map((family) => ({
      family,
      entries: socket.neighbours({ family }).length,
      limit: setting(`net/${family}/neigh/default/gc_thresh3`, Number.POSITIVE_INFINITY),
    })),
    inotifyInstances: setting('fs/inotify/max_user_instances', 1024),
    inotifyWatches: setting('fs/inotify/max_user_watches', 524_288),
    conntrack: conntrack(),
    port: splitHostPort(listen).port,
    localPorts: [lowest, highest],
    reservedPorts: (readSetting('net/ipv4/ip_local_reserved_ports') ?? '')
      .split(',')
      .filter((part) => part !== '')
      .map((part) => {
        const [from = 0, to = from] = part.split('-').map(Number);
        return [from, to] as const;
      }),
  };
}

/** Devices that have routes beyond this machine; what containers and the mesh hang on is left out. */
function uplinkNames(socket: RouteSocket): string[] {
  const own = /^(lo|nst|nsm|nse|veth|cali|cilium|docker|br-|cni|flannel|lxc|tun|tap|virbr)/;
  const addressed = new Set(
    socket
      .addresses()
      .filter(({ scope }) => scope === 'global')
      .map(({ index }) => index),
  );
  return socket
    .links()
    .filter(({ index, name, up }) => up && addressed.has(index) && !own.test(name))
    .map(({ name }) => name);
}

function conntrack(): SysctlFacts['conntrack'] {
  const entries = readSetting('net/netfilter/nf_conntrack_count');
  const limit = readSetting('net/netfilter/nf_conntrack_max');
  return entries === undefined || limit === undefined
    ? undefined
    : { entries: Number(entries), limit: Number(limit) };
}

function setting(name: string, otherwise = 0): number {
  const value = readSetting(name);
  return value === undefined ? otherwise : Number(value);
}
