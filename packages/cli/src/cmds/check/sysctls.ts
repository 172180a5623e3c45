// Checks of the kernel's settings, each with what it does to the mesh.
import { broken, type Check, type Group, group, orWell, warning, well } from './check.js';
import { readSysctlFacts, type SysctlFacts } from './sysctl-facts.js';

const nearlyFull = 0.8;

export const sysctlChecks: readonly Check<SysctlFacts>[] = [
  {
    code: 'NSM0930',
    title: 'forwarding',
    neededFor:
      'nothing of the mesh: tunnels go past it, and gateways set it in their own pods. With IPv6 it takes away the default route that a router announces',
    mend: '`sysctl -w net.ipv6.conf.DEVICE.accept_ra=2`',
    judge: ({ forwarding6, uplinks }) => {
      const losing = forwarding6 ? uplinks.filter(({ acceptRa }) => acceptRa === 1) : [];
      return orWell(
        losing.map(({ name }) =>
          warning(
            `net.ipv6.conf.all.forwarding is 1 and net.ipv6.conf.${name}.accept_ra is 1: ${name} loses its default route of IPv6`,
            `\`sysctl -w net.ipv6.conf.${name}.accept_ra=2\``,
          ),
        ),
        `net.ipv6.conf.all.forwarding is ${forwarding6 ? '1, and no uplink waits for a router' : '0'}`,
      );
    },
  },
  {
    code: 'NSM0931',
    title: 'rp_filter',
    neededFor:
      'packets that come back by another uplink than they left by: with 1 they are dropped, those of tunnels too',
    mend: '`sysctl -w net.ipv4.conf.all.rp_filter=2`',
    judge: ({ uplinks, rpFilterAll }) => {
      const strict = uplinks.filter(({ rpFilter }) => Math.max(rpFilter, rpFilterAll) === 1);
      // The larger of both counts, so that 2 for all would do; but it is of the device that people find it.
      if (strict.length === 0) return well('packets may come back by any uplink');
      if (uplinks.length < 2)
        return well(`strict, and ${uplinks[0]?.name ?? 'the uplink'} is the only uplink`);
      const names = strict.map(({ name }) => name);
      return warning(
        `rp_filter is 1 on ${names.join(', ')}, and there are ${uplinks.length} uplinks: what comes back by another one is dropped`,
        `\`sysctl -w ${names.map((name) => `net.ipv4.conf.${name}.rp_filter=2`).join(' ')}\``,
      );
    },
  },
  {
    code: 'NSM0932',
    title: 'arp',
    neededFor: 'address resolution between nodes and in pods, which take these settings over from here',
    mend: '`sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.default.arp_ignore=0`',
    judge: ({ arpIgnore }) =>
      orWell(
        Object.entries(arpIgnore)
          .filter(([, value]) => value >= 3)
          .map(([name, value]) =>
            warning(
              `net.ipv4.conf.${name}.arp_ignore is ${value}: questions for some or all addresses stay without answer`,
              `\`sysctl -w net.ipv4.conf.${name}.arp_ignore=0\``,
            ),
          ),
        `arp_ignore is ${Object.entries(arpIgnore)
          .map(([name, value]) => `${value} of ${name}`)
          .join(', ')}`,
      ),
  },
  {
    code: 'NSM0933',
    title: 'disable_ipv6',
    neededFor: 'IPv6 between nodes. Devices of connections have it switched on for themselves',
    mend: '`sysctl -w net.ipv6.conf.all.disable_ipv6=0`',
    judge: ({ uplinks, ipv6Underlay }) =>
      orWell(
        uplinks
          .filter(({ disableIpv6 }) => disableIpv6 && ipv6Underlay)
          .map(({ name }) =>
            broken(
              `this node's address is IPv6, and net.ipv6.conf.${name}.disable_ipv6 is 1`,
              `\`sysctl -w net.ipv6.conf.${name}.disable_ipv6=0\``,
            ),
          ),
        ipv6Underlay ? "this node's address is IPv6, which is on" : "this node's address is not IPv6",
      ),
  },
  {
    code: 'NSM0934',
    title: 'eBPF compiler',
    neededFor:
      'tunnels at the speed of the kernel: without it programs are interpreted, several times slower',
    mend: '`sysctl -w net.core.bpf_jit_enable=1`',
    judge: ({ bpfJit }) =>
      bpfJit === 0
        ? warning('net.core.bpf_jit_enable is 0: programs of eBPF are interpreted')
        : well('programs of eBPF are compiled'),
  },
  {
    code: 'NSM0935',
    title: 'net.core queues',
    neededFor: 'bursts: connections to the sockets of the manager, and packets between pods of one node',
    mend: '`sysctl -w net.core.somaxconn=4096 net.core.netdev_max_backlog=1000`',
    judge: ({ somaxconn, netdevBacklog }) =>
      orWell(
        [
          ...(somaxconn < 128
            ? [
                warning(
                  `net.core.somaxconn is ${somaxconn}: pods that start together are refused`,
                  '`sysctl -w net.core.somaxconn=4096`',
                ),
              ]
            : []),
          ...(netdevBacklog < 300
            ? [
                warning(
                  `net.core.netdev_max_backlog is ${netdevBacklog}: packets between pods are dropped in bursts`,
                  '`sysctl -w net.core.netdev_max_backlog=1000`',
                ),
              ]
            : []),
        ],
        `somaxconn is ${somaxconn}, netdev_max_backlog ${netdevBacklog}`,
      ),
  },
  {
    code: 'NSM0936',
    title: 'neighbour tables',
    neededFor:
      "finding other nodes: the table is the whole machine's, all pods' too. Connections need nothing of it",
    mend: '`sysctl -w net.ipv4.neigh.default.gc_thresh3=65536 net.ipv4.neigh.default.gc_thresh2=32768` (and net.ipv6.…)',
    judge: ({ neighbours }) =>
      orWell(
        neighbours
          .filter(({ entries, limit }) => entries > limit * nearlyFull)
          .map(({ family, entries, limit }) =>
            broken(
              `${entries} neighbours of ${limit} (net.${family}.neigh.default.gc_thresh3): other nodes are not found any more`,
              `\`sysctl -w net.${family}.neigh.default.gc_thresh3=${limit * 4}\``,
            ),
          ),
        // The kernel shows the limit in the machine's first network namespace alone.
        neighbours
          .map(
            ({ family, entries, limit }) =>
              `${family} ${entries}${Number.isFinite(limit) ? ` of ${limit}` : ', of as many as the host sets'}`,
          )
          .join('; '),
      ),
  },
  {
    code: 'NSM0937',
    title: 'inotify',
    neededFor: 'noticing that sockets are removed, and what becomes of the folders of MEM and VHOST pods',
    mend: '`sysctl -w fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288`',
    judge: ({ inotifyInstances, inotifyWatches }) =>
      inotifyInstances < 64 || inotifyWatches < 4096
        ? warning(
            `fs.inotify: ${inotifyInstances} instances and ${inotifyWatches} watches for each user, shared with kubelet and all else of root`,
          )
        : well(`${inotifyInstances} instances and ${inotifyWatches} watches`),
  },
  {
    code: 'NSM0938',
    title: 'conntrack',
    neededFor:
      "everything that a firewall of the node follows, managers' calls among it; a full table drops packets",
    mend: '`sysctl -w net.netfilter.nf_conntrack_max=1048576`',
    judge: ({ conntrack }) => {
      if (!conntrack) return undefined;
      const { entries, limit } = conntrack;
      return entries > limit * nearlyFull
        ? broken(
            `${entries} of ${limit} (net.netfilter.nf_conntrack_max) are followed: packets are dropped soon`,
          )
        : well(`${entries} of ${limit} are followed`);
    },
  },
  {
    code: 'NSM0939',
    title: 'local ports',
    neededFor:
      'starting again: another program may get the port of a manager that is down, as one of its own choice',
    mend: '`sysctl -w net.ipv4.ip_local_reserved_ports=PORT`',
    judge: ({ port, localPorts: [lowest, highest], reservedPorts }) => {
      const within =
        port >= lowest && port <= highest && !reservedPorts.some(([from, to]) => port >= from && port <= to);
      return within
        ? warning(
            `TCP port ${port} is one of those that the kernel gives to any program (${lowest}-${highest})`,
            `\`sysctl -w net.ipv4.ip_local_reserved_ports=${port}\``,
          )
        : well(`port ${port} is given to nobody else`);
    },
  },
];

export const sysctlGroup: Group = group<SysctlFacts>({
  name: 'sysctls',
  title: 'Settings of this network namespace and the machine (sysctl)',
  read: readSysctlFacts,
  checks: sysctlChecks,
});
