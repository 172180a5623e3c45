// Every Debian package that something here runs or loads, for which purpose, and why. Node.js and npm are taken for granted.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where the dynamic linker looks: Debian has a folder for each architecture. */
const libraryFolders = () => {
  const folders = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib'];
  const inside = readdirSync('/usr/lib').filter((name) => name.includes('-linux-'));
  return [...folders, ...inside.map((name) => join('/usr/lib', name))];
};

/** `present` looks for the command or library itself: it may come from elsewhere than the package. */
export const debianPackages = [
  {
    name: 'nftables',
    purposes: ['start', 'test', 'image'],
    why: 'nft programs the NAT of the gateway endpoint',
    present: (find) => find('nft') !== undefined,
  },
  {
    name: 'iputils-ping',
    purposes: ['start', 'test', 'bench'],
    why: 'ping measures round-trip times in a lab',
    present: (find) => find('ping') !== undefined,
  },
  {
    name: 'util-linux',
    purposes: ['start', 'test'],
    why: 'unshare and nsenter make and enter the user namespace of a lab without root',
    present: (find) => find('unshare') !== undefined && find('nsenter') !== undefined,
  },
  {
    name: 'libbpf1',
    purposes: ['start', 'test', 'bench', 'image'],
    why: 'libbpf loads the eBPF programs that carry tunnels',
    present: () => libraryFolders().some((folder) => existsSync(join(folder, 'libbpf.so.1'))),
  },
  {
    name: 'iproute2',
    purposes: ['test'],
    why: 'ip, bridge and tc tell the tests what the kernel really has',
    present: (find) => ['ip', 'bridge', 'tc'].every((command) => find(command) !== undefined),
  },
  {
    name: 'curl',
    purposes: ['test'],
    why: 'curl calls a server through the chain of the tutorial',
    present: (find) => find('curl') !== undefined,
  },
  {
    name: 'bpftool',
    purposes: ['test'],
    why: 'bpftool tells the tests what the eBPF maps of tunnels really hold',
    present: (find) => find('bpftool') !== undefined,
  },
  {
    name: 'ethtool',
    purposes: ['test'],
    why: 'ethtool tells the tests which offloads a device really has',
    present: (find) => find('ethtool') !== undefined,
  },
  {
    name: 'dpdk-dev',
    purposes: ['test'],
    why: 'dpdk-testpmd is the application at the other end of shared memory',
    present: (find) => find('dpdk-testpmd') !== undefined,
  },
  {
    name: 'iperf3',
    purposes: ['bench'],
    why: 'iperf3 measures the throughput of connections',
    present: (find) => find('iperf3') !== undefined,
  },
  {
    name: 'tshark',
    purposes: ['test'],
    why: 'tshark reads the packets of every kind of tunnel',
    present: (find) => find('tshark') !== undefined,
  },
  {
    name: 'openvswitch-switch',
    purposes: ['test'],
    why: 'Open vSwitch, in user space and in a namespace, is the other end of GRE and VXLAN tunnels',
    present: (find) => ['ovs-vswitchd', 'ovsdb-server'].every((command) => find(command) !== undefined),
  },
  {
    name: 'etcd-server',
    purposes: ['test', 'bench'],
    why: 'etcd, one or three of them in a namespace, keeps the records of --registry etcd://',
    present: (find) => find('etcd') !== undefined,
  },
  {
    name: 'etcd-client',
    purposes: ['test'],
    why: 'etcdctl tells the tests what etcd really has, and makes its users',
    present: (find) => find('etcdctl') !== undefined,
  },
  {
    name: 'prometheus',
    purposes: ['test'],
    why: 'promtool tries out the alert rules, and reads what the dashboard asks for',
    present: (find) => find('promtool') !== undefined,
  },
  {
    name: 'openssl',
    purposes: ['test'],
    why: 'openssl makes the certificates of an etcd with TLS',
    present: (find) => find('openssl') !== undefined,
  },
  {
    name: 'chromium',
    purposes: ['test'],
    why: 'Chromium, without a window, shows the tests the page of nsm dashboard (some 300 MiB)',
    present: (find) => find('chromium') !== undefined,
  },
  {
    name: 'zsh',
    purposes: ['test'],
    why: 'zsh tries out its completion script',
    present: (find) => find('zsh') !== undefined,
  },
  {
    name: 'fish',
    purposes: ['test'],
    why: 'fish tries out its completion script',
    present: (find) => find('fish') !== undefined,
  },
];
