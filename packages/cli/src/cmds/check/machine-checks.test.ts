// What the checks of the machine say of facts: kernel, rights, settings, folders.
import { describe, expect, it } from 'vitest';
import type { FolderFacts } from './folder-facts.js';
import { folderChecks } from './folders.js';
import { judged } from './judged.test.support.js';
import { isBefore, kernelChecks } from './kernel.js';
import type { KernelFacts } from './kernel-facts.js';
import { type PermissionFacts, permissionChecks } from './permissions.js';
import { propagationOf } from './process-facts.js';
import type { SysctlFacts } from './sysctl-facts.js';
import { sysctlChecks } from './sysctls.js';

const works = { missing: '', works: true, standsBy: false, obstacles: [] };
const kernel: KernelFacts = {
  release: '6.18.44',
  probes: {
    namespace: '',
    peerProcess: '',
    refusedDescriptors: '',
    namespaceOfSocket: '',
    ownerOfNamespace: '',
    packetSocket: '',
    sealedMemory: '',
    tap: '',
    tcx: '',
  },
  interfaces: [{ type: 'kernel', engine: 'kernel veth pair', works: true, missing: '' }],
  tunnels: [
    { type: 'VXLAN', engine: 'eBPF', ...works },
    { type: 'VXLAN', engine: 'kernel vxlan device', ...works },
  ],
  hugePages: 0,
  ipv6: true,
  nft: '/usr/sbin/nft',
};

describe('checks of the kernel', () => {
  it.each<[string, string, Partial<KernelFacts>, string, RegExp]>([
    [
      'an old kernel',
      'NSM0900',
      { release: '4.19.0-21-amd64' },
      'broken',
      /4\.19\.0-21-amd64 is older than 5\.10/,
    ],
    ['a kernel before tcx', 'NSM0900', { release: '6.1.0' }, 'warning', /6\.1\.0/],
    [
      'a process that makes no namespace',
      'NSM0901',
      { probes: { ...kernel.probes, namespace: 'EPERM' } },
      'broken',
      /EPERM/,
    ],
    [
      'what could not be tried',
      'NSM0906',
      { probes: { ...kernel.probes, peerProcess: undefined } },
      'untried',
      /run nsm check as root/,
    ],
    [
      'no veth',
      'NSM0902',
      { interfaces: [{ type: 'kernel', engine: '', works: false, missing: 'EOPNOTSUPP' }] },
      'broken',
      /EOPNOTSUPP/,
    ],
    ['no forwarder to be tried', 'NSM0903', { tunnels: 'no root' }, 'untried', /no root/],
    [
      'no eBPF',
      'NSM0903',
      { tunnels: [{ type: 'VXLAN', engine: 'eBPF', ...works, works: false, missing: 'EPERM: load' }] },
      'broken',
      /EPERM: load/,
    ],
    [
      'a kind of tunnel that the kernel lacks',
      'NSM0904',
      {
        tunnels: [
          ...(kernel.tunnels as []),
          { type: 'GRE', engine: 'eBPF', ...works, works: false, missing: 'adjust_room' },
        ],
      },
      'warning',
      /GRE does not work: adjust_room/,
    ],
    ['no IPv6', 'NSM0914', { ipv6: false }, 'warning', /no IPv6/],
  ])('names %s', (_name, code, change, level, what) => {
    expect(judged(kernelChecks, code, { ...kernel, ...change })).toMatchObject([
      { level, what: expect.stringMatching(what) },
    ]);
  });

  it('finds nothing wrong where all works', () => {
    const levels = kernelChecks
      .flatMap(({ code }) => judged(kernelChecks, code, kernel))
      .map(({ level }) => level);
    expect(new Set(levels)).toEqual(new Set(['well']));
  });

  it('compares versions by their numbers', () => {
    expect(isBefore('5.9.16', [5, 10])).toBe(true);
    expect(isBefore('5.10.0-rc1+', [5, 10])).toBe(false);
    expect(isBefore('10.0', [6, 6])).toBe(false);
  });
});

const permissions: PermissionFacts = {
  pid: 7,
  who: 'the daemon (process 7)',
  uid: 0,
  initialUsers: true,
  initialProcesses: true,
  seccomp: 0,
  noNewPrivileges: false,
  openFiles: { used: 10, limit: 65_536 },
  lockedMemory: Number.POSITIVE_INFINITY,
  tasks: { used: 10, limit: 256 },
  memory: { used: 2 ** 20, limit: 2 ** 30 },
  confinement: '',
  selinuxEnforces: false,
  netns: { present: true, propagation: 'shared', ofMachine: false },
  privileges: [
    { name: 'CAP_NET_ADMIN', what: 'makes interfaces', required: true, has: true },
    { name: 'CAP_NET_RAW', what: 'sees packets', required: false, has: true },
  ],
  release: '6.18.44',
  inCluster: false,
};

describe('checks of permissions', () => {
  it.each<[string, string, Partial<PermissionFacts>, string, RegExp]>([
    [
      'a capability that is lacking',
      'NSM0920',
      { privileges: permissions.privileges.map((one) => ({ ...one, has: !one.required })) },
      'broken',
      /lacks CAP_NET_ADMIN, by which it makes interfaces/,
    ],
    ['a user namespace', 'NSM0921', { initialUsers: false }, 'warning', /user namespace/],
    [
      'descriptors that are used up',
      'NSM0923',
      { openFiles: { used: 1000, limit: 1024 } },
      'broken',
      /1000 files open of 1024/,
    ],
    ['few descriptors', 'NSM0923', { openFiles: { used: 10, limit: 1024 } }, 'warning', /1024/],
    [
      'little locked memory where it counts',
      'NSM0924',
      { release: '5.4.0', lockedMemory: 65_536 },
      'warning',
      /65536/,
    ],
    ['a control group that is full', 'NSM0925', { tasks: { used: 250, limit: 256 } }, 'broken', /250 of 256/],
    [
      'a private /run/netns',
      'NSM0926',
      { netns: { present: true, propagation: 'private', ofMachine: false } },
      'broken',
      /private/,
    ],
    [
      'a profile of AppArmor',
      'NSM0927',
      { confinement: 'docker-default (enforce)' },
      'warning',
      /docker-default/,
    ],
    ['a pid namespace', 'NSM0928', { initialProcesses: false }, 'warning', /pid namespace/],
  ])('names %s', (_name, code, change, level, what) => {
    expect(judged(permissionChecks, code, { ...permissions, ...change })).toMatchObject([
      { level, what: expect.stringMatching(what) },
    ]);
  });

  it('takes private mounts of the machine itself for well: there is nobody outside', () => {
    const netns = { present: true, propagation: 'private', ofMachine: true } as const;
    expect(judged(permissionChecks, 'NSM0926', { ...permissions, netns })).toMatchObject([{ level: 'well' }]);
  });

  it('reads the propagation of the mount that a path is in', () => {
    const lines = [
      '21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw',
      '30 21 0:5 / /run rw master:3 - tmpfs tmpfs rw',
      '31 30 0:6 / /run/netnsother rw - tmpfs tmpfs rw',
    ].join('\n');
    expect(propagationOf('/run/netns', lines)).toBe('slave');
    expect(propagationOf('/run/netns', `${lines}\n32 30 0:7 / /run/netns rw - tmpfs tmpfs rw`)).toBe(
      'private',
    );
    expect(propagationOf('/var', lines)).toBe('shared');
  });
});

const uplink = { name: 'eth0', rpFilter: 1, acceptRa: 0, disableIpv6: false };
const sysctls: SysctlFacts = {
  forwarding6: false,
  uplinks: [uplink],
  rpFilterAll: 0,
  arpIgnore: { all: 0, eth0: 1 },
  ipv6Underlay: false,
  bpfJit: 1,
  somaxconn: 4096,
  netdevBacklog: 1000,
  neighbours: [{ family: 'ipv4', entries: 10, limit: 1024 }],
  inotifyInstances: 128,
  inotifyWatches: 65_536,
  conntrack: undefined,
  port: 5001,
  localPorts: [32_768, 60_999],
  reservedPorts: [],
};

describe('checks of settings', () => {
  it.each<[string, string, Partial<SysctlFacts>, string, RegExp]>([
    [
      'strict uplinks of which there are two',
      'NSM0931',
      { uplinks: [uplink, { ...uplink, name: 'eth1', rpFilter: 2 }] },
      'warning',
      /eth0, and there are 2 uplinks/,
    ],
    [
      'a default route of IPv6 that goes',
      'NSM0930',
      { forwarding6: true, uplinks: [{ ...uplink, acceptRa: 1 }] },
      'warning',
      /eth0 loses its default route/,
    ],
    ['questions without answer', 'NSM0932', { arpIgnore: { all: 8 } }, 'warning', /all.arp_ignore is 8/],
    [
      'an underlay of IPv6 that is off',
      'NSM0933',
      { ipv6Underlay: true, uplinks: [{ ...uplink, disableIpv6: true }] },
      'broken',
      /eth0/,
    ],
    [
      'a full table of neighbours',
      'NSM0936',
      { neighbours: [{ family: 'ipv6', entries: 1000, limit: 1024 }] },
      'broken',
      /1000 neighbours of 1024 \(net\.ipv6/,
    ],
    ['a full conntrack', 'NSM0938', { conntrack: { entries: 99, limit: 100 } }, 'broken', /99 of 100/],
    ['a port that anybody may get', 'NSM0939', { port: 40_000 }, 'warning', /40000/],
    ['interpreted programs', 'NSM0934', { bpfJit: 0 }, 'warning', /interpreted/],
  ])('names %s', (_name, code, change, level, what) => {
    expect(judged(sysctlChecks, code, { ...sysctls, ...change })).toMatchObject([
      { level, what: expect.stringMatching(what) },
    ]);
  });

  it('lets one strict uplink be, and a port that is reserved', () => {
    expect(judged(sysctlChecks, 'NSM0931', sysctls)).toMatchObject([{ level: 'well' }]);
    const reserved = { ...sysctls, port: 40_000, reservedPorts: [[39_999, 40_001]] as const };
    expect(judged(sysctlChecks, 'NSM0939', reserved)).toMatchObject([{ level: 'well' }]);
  });
});

const disk = {
  path: '/var',
  bytes: 2 ** 34,
  freeBytes: 2 ** 33,
  inodes: 1000,
  freeInodes: 900,
  readOnly: false,
};
const folders: FolderFacts = {
  pre: true,
  ownVersion: '0.1.0',
  manager: undefined,
  managerError: '',
  findings: [],
  runDir: '/run/nsm',
  stateDir: '/var/lib/nsm',
  run: { missing: false, why: '' },
  state: { missing: false, why: '' },
  staleSockets: [],
  disks: [disk],
  listen: '0.0.0.0:5001',
  port: 'free',
};

describe('checks of folders', () => {
  it.each<[string, string, Partial<FolderFacts>, string, RegExp]>([
    [
      'a full disk',
      'NSM0945',
      { disks: [{ ...disk, freeBytes: 4096 }] },
      'broken',
      /0 of 16384 MiB are free at \/var/,
    ],
    ['a disk that is filling', 'NSM0945', { disks: [{ ...disk, freeBytes: 2 ** 26 }] }, 'warning', /64 of/],
    ['no inodes', 'NSM0946', { disks: [{ ...disk, freeInodes: 1 }] }, 'broken', /1 of 1000 inodes/],
    ['a read-only disk', 'NSM0947', { disks: [{ ...disk, readOnly: true }] }, 'broken', /read-only/],
    [
      'a folder of somebody else',
      'NSM0942',
      { run: { missing: false, why: 'belongs to user 7' } },
      'broken',
      /--run-dir \/run\/nsm belongs to user 7/,
    ],
    [
      'a socket that nobody serves',
      'NSM0944',
      { pre: false, staleSockets: ['/run/nsm/client.sock'] },
      'broken',
      /nobody serves \/run\/nsm\/client.sock/,
    ],
    ['a port that is taken', 'NSM0949', { port: { taken: 'EADDRINUSE' } }, 'broken', /EADDRINUSE/],
    [
      'no manager',
      'NSM0940',
      { pre: false, managerError: 'no manager answers' },
      'broken',
      /no manager answers/,
    ],
  ])('names %s', (_name, code, change, level, what) => {
    expect(judged(folderChecks, code, { ...folders, ...change })).toMatchObject([
      { level, what: expect.stringMatching(what) },
    ]);
  });
});
