// Checks of the kernel: what it lacks, and what the mesh wants it for.
import { broken, type Check, type Group, group, type Outcome, untried, warning, well } from './check.js';
import { type KernelFacts, needsRoot, readKernelFacts } from './kernel-facts.js';

const upgrade = 'boot a kernel that has it: uname -r shows what runs';

/** The oldest with which each part of the mesh works, and the one from which nothing is lacking. */
const [oldest, complete] = [
  [5, 10],
  [6, 6],
] as const;

export const kernelChecks: readonly Check<KernelFacts>[] = [
  {
    code: 'NSM0900',
    title: 'kernel version',
    neededFor:
      'everything: Linux 5.10 has what eBPF of the tunnels calls, 5.14 tells network namespaces apart for good, 6.6 lets programs stand first on a device',
    mend: upgrade,
    judge: ({ release }) => {
      if (isBefore(release, oldest)) return broken(`Linux ${release} is older than ${oldest.join('.')}`);
      if (isBefore(release, complete))
        return warning(`Linux ${release}: what came until ${complete.join('.')} is done without`);
      return well(`Linux ${release}`);
    },
  },
  tried('NSM0901', 'network namespaces', 'pods: each connection begins in one and ends in another', {
    probe: 'namespace',
    mend: 'a kernel with CONFIG_NET_NS; in a container, CAP_SYS_ADMIN and no seccomp profile that forbids unshare(2): `docker run --cap-add SYS_ADMIN`',
  }),
  {
    code: 'NSM0902',
    title: 'veth',
    neededFor: 'KERNEL interfaces, which most connections have, and the node ends of tunnels',
    mend: '`modprobe veth`',
    judge: ({ interfaces }) => interfaceOutcome(interfaces, 'kernel', 'veth pairs are made'),
  },
  {
    code: 'NSM0903',
    title: 'eBPF programs on devices',
    neededFor:
      'tunnels of every kind, and for keeping pods to their own addresses: programs are loaded, tried on packets, and put on devices by tcx or clsact',
    mend: '`apt install libbpf1`; a kernel with CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS; in a container CAP_SYS_ADMIN and a seccomp profile that lets bpf(2) through',
    judge: ({ tunnels }) => {
      if (typeof tunnels === 'string') return untried(tunnels);
      const byBpf = tunnels.filter(({ engine }) => engine === 'eBPF');
      if (byBpf.some(({ works }) => works)) return well('eBPF programs are loaded and wrap packets');
      return broken(`no tunnel by eBPF works: ${byBpf[0]?.missing ?? 'none is known'}`);
    },
  },
  {
    code: 'NSM0904',
    title: 'kinds of tunnel',
    neededFor: 'connections to other nodes; two nodes need one kind in common',
    mend: '`nsm get tunnels` shows what each kind lacks; a newer kernel has what bpf_skb_adjust_room lacks',
    judge: ({ tunnels }) => {
      if (typeof tunnels === 'string') return untried(tunnels);
      const types = [...new Set(tunnels.map(({ type }) => type))];
      const working = new Set(tunnels.filter(({ works }) => works).map(({ type }) => type));
      if (working.size === 0) return broken(`none of ${types.join(', ')} works`);
      const lacking = tunnels.filter(({ type }) => !working.has(type));
      if (lacking.length === 0) return well(`all work: ${types.join(', ')}`);
      return lacking.map(({ type, missing }) => warning(`${type} does not work: ${missing}`));
    },
  },
  {
    code: 'NSM0905',
    title: 'vxlan device',
    neededFor: '--vxlan-engine kernel alone, and as a stand-in where eBPF cannot carry VXLAN',
    mend: '`modprobe vxlan`, or stay with `--vxlan-engine ebpf`',
    judge: ({ tunnels }) => {
      if (typeof tunnels === 'string') return undefined;
      const device = tunnels.find(({ engine }) => engine === 'kernel vxlan device');
      if (!device || device.works) return well('vxlan devices are made');
      const spared = tunnels.some(({ type, works }) => type === 'VXLAN' && works);
      return spared
        ? well(`no vxlan device (${device.missing}): eBPF carries VXLAN`)
        : warning(`no vxlan device: ${device.missing}`);
    },
  },
  tried('NSM0906', 'SO_PEERPIDFD', 'telling the process that asks from one that has got its number since', {
    probe: 'peerProcess',
    mend: 'Linux 6.5 or later; before it, process numbers count that are given again within seconds on a busy node',
    level: 'warning',
  }),
  tried(
    'NSM0907',
    'SIOCGSKNS and SO_NETNS_COOKIE',
    'knowing in which pod a socket was opened, whatever its process does then',
    {
      probe: 'namespaceOfSocket',
      mend: 'Linux 5.14 or later; before it, inodes count that are given again',
      level: 'warning',
    },
  ),
  tried('NSM0908', 'ioctls of nsfs', 'checking that a file is a network namespace, and who administers it', {
    probe: 'ownerOfNamespace',
    mend: 'Linux 4.9 or later with CONFIG_NET_NS; in a container a seccomp profile that lets ioctl(2) through',
  }),
  {
    code: 'NSM0909',
    title: 'AF_PACKET',
    neededFor:
      "telling another node's kernel this node's hardware address when an address moves; without it the other finds out by itself, within a minute",
    mend: 'add CAP_NET_RAW',
    judge: ({ probes: { packetSocket } }) =>
      packetSocket === undefined || packetSocket === ''
        ? probeOutcome(packetSocket, 'warning')
        : well(`AF_PACKET is done without (${packetSocket}): a moved address is found out within a minute`),
  },
  {
    code: 'NSM0910',
    title: 'memfd and shared memory',
    neededFor: 'MEM (memif) and VHOST (vhost-user) interfaces alone',
    mend: 'a kernel with CONFIG_MEMFD_CREATE, and a seccomp profile that lets memfd_create(2) and process_vm_readv(2) through',
    judge: ({ interfaces, probes: { sealedMemory } }) => {
      if (sealedMemory !== '') return probeOutcome(sealedMemory, 'warning');
      if (typeof interfaces === 'string') return well('memory is shared with seals');
      return interfaces
        .filter(({ type, works }) => ['mem', 'vhost'].includes(type) && !works)
        .map(({ type, missing }) => warning(`${type} does not work: ${missing}`));
    },
  },
  tried('NSM0911', '/dev/net/tun', 'MEM and VHOST pods whose other end is a KERNEL interface or a tunnel', {
    probe: 'tap',
    mend: '`modprobe tun`; in a container give it the device: `docker run --device /dev/net/tun`',
    level: 'warning',
  }),
  {
    code: 'NSM0912',
    title: 'huge pages',
    neededFor: 'DPDK applications with VHOST or MEM interfaces, and nothing of the mesh itself',
    mend: '`sysctl vm.nr_hugepages=512`',
    judge: ({ hugePages }) =>
      well(hugePages > 0 ? `${hugePages} huge pages` : 'none set aside; only DPDK applications want them'),
  },
  tried('NSM0913', 'tcx', 'standing before programs of others (Cilium, Calico) on the same device', {
    probe: 'tcx',
    mend: "Linux 6.6 or later; before it clsact is used, where what another has put first may end a packet's way",
    level: 'warning',
  }),
  {
    code: 'NSM0914',
    title: 'IPv6',
    neededFor: 'connections with IPv6 addresses and nodes that reach each other by IPv6',
    mend: 'boot without ipv6.disable=1',
    judge: ({ ipv6 }) =>
      ipv6 ? well('IPv6 is there') : warning('this kernel has no IPv6: connections get IPv4 addresses alone'),
  },
  {
    code: 'NSM0915',
    title: 'nftables',
    neededFor: 'endpoints of kind gateway that translate addresses (nsm endpoint gateway), in their pods',
    mend: '`apt install nftables`',
    judge: ({ nft }) =>
      nft ? well(`nft is ${nft}`) : warning('no command nft: gateways here cannot translate addresses'),
  },
  tried(
    'NSM0916',
    'SO_PASSRIGHTS',
    'keeping a pod from holding up the manager by a descriptor that takes its time to close',
    {
      probe: 'refusedDescriptors',
      mend: 'Linux 6.16 or later; before it, let only pods that are trusted with that come to client.sock and endpoint.sock',
      level: 'warning',
    },
  ),
];

export const kernelGroup: Group = group<KernelFacts>({
  name: 'kernel',
  title: 'Kernel: what it has, tried in a network namespace of its own',
  read: readKernelFacts,
  checks: kernelChecks,
});

interface TriedSpec {
  readonly probe: keyof KernelFacts['probes'];
  readonly mend: string;
  /** When it does not work. Default: broken. */
  readonly level?: 'warning' | 'broken';
}

/** A check of what was tried, and either works or does not. */
function tried(
  code: string,
  title: string,
  neededFor: string,
  { probe, mend, level = 'broken' }: TriedSpec,
): Check<KernelFacts> {
  return { code, title, neededFor, mend, judge: ({ probes }) => probeOutcome(probes[probe], level) };
}

function probeOutcome(result: string | undefined, level: 'warning' | 'broken'): Outcome {
  if (result === undefined) return untried(needsRoot);
  if (result === '') return well('works');
  return level === 'warning' ? warning(result) : broken(result);
}

function interfaceOutcome(interfaces: KernelFacts['interfaces'], wanted: string, what: string): Outcome {
  if (typeof interfaces === 'string') return untried(interfaces);
  const found = interfaces.find(({ type }) => type === wanted);
  return found?.works
    ? well(what)
    : broken(`${wanted} interfaces do not work: ${found?.missing ?? 'unknown here'}`);
}

/** `6.18.44-fc-v657` before [6, 6]? */
export function isBefore(release: string, [major, minor]: readonly [number, number]): boolean {
  const [own = 0, ownMinor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return own < major || (own === major && ownMinor < minor);
}
