// What this machine tells for a bug report: its kernel, the mesh's processes, devices, and logs.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { arch, cpus, release, totalmem, uptime, version } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readSetting } from '@nsm/netlink';
import { ownVersion } from '../../own-version.js';
import { allGroups } from '../check/all-groups.js';
import { CheckContext } from '../check/check-context.js';
import { type Daemon, logOf, withoutSecrets } from './daemons.js';
import type { GatherFlags } from './flags.js';
import type { Part } from './manager-parts.js';
import { ownNetwork, podNetworks } from './networks.js';
import type { OwnMesh } from './own-mesh.js';

const units = ['nsm-manager', 'nsm-forwarder', 'nsm-registry'];
/** Of the kernel, below /proc/sys: what decides about packets, and what there may be of things. */
const toldSettings = [
  ...['all', 'default'].flatMap((device) =>
    ['rp_filter', 'forwarding', 'arp_ignore', 'arp_announce', 'accept_local'].map(
      (name) => `net/ipv4/conf/${device}/${name}`,
    ),
  ),
  ...['forwarding', 'disable_ipv6', 'accept_ra'].map((name) => `net/ipv6/conf/all/${name}`),
  ...['ip_forward', 'ip_local_port_range', 'ip_local_reserved_ports'].map((name) => `net/ipv4/${name}`),
  ...['gc_thresh1', 'gc_thresh2', 'gc_thresh3'].map((name) => `net/ipv4/neigh/default/${name}`),
  ...['bpf_jit_enable', 'bpf_jit_harden', 'netdev_max_backlog', 'rmem_max'].map((name) => `net/core/${name}`),
  ...['nf_conntrack_max', 'nf_conntrack_count'].map((name) => `net/netfilter/${name}`),
  ...['kernel/unprivileged_bpf_disabled', 'fs/inotify/max_user_instances', 'fs/inotify/max_user_watches'],
  ...['user/max_net_namespaces', 'user/max_user_namespaces'],
];
/** Processes whose log is taken: managers, forwarders and registries come first. */
const mostLogs = 64;
/** Lines of each unit's journal. */
const journalLines = 5000;
const commandMs = 10_000;

export interface Machine {
  readonly flags: GatherFlags;
  readonly runDir: string;
  readonly daemons: readonly Daemon[];
  readonly mesh: OwnMesh;
  readonly time: Date;
}

/** Parts by what is said while they are made; one that cannot be had throws why. */
export const machineParts: readonly (readonly [
  what: string,
  make: (machine: Machine) => AsyncGenerator<Part> | Generator<Part>,
])[] = [
  ['machine', machineFacts],
  ['checks', checks],
  ['settings', settings],
  ['processes', processes],
  ['folders', folders],
  ['network', networks],
  ['firewall', firewall],
  ['logs', logs],
  ['journal', journal],
];

function* machineFacts({ time }: Machine): Generator<Part> {
  const file = readFileSync('/etc/os-release', 'utf8');
  yield {
    name: 'machine.json',
    content: {
      time: time.toISOString(),
      nsm: ownVersion(),
      node: process.version,
      system: /^PRETTY_NAME="?([^"\n]*)/m.exec(file)?.[1] ?? '',
      kernel: `${release()} ${version()} ${arch()}`,
      processors: `${cpus().length} × ${cpus()[0]?.model ?? ''}`,
      memoryBytes: totalmem(),
      uptimeSeconds: uptime(),
    },
  };
}

/** As nsm check, with the kernel's settings. */
async function* checks({ flags: { stateDir }, runDir }: Machine): AsyncGenerator<Part> {
  const context = new CheckContext({ runDir, stateDir, listen: '0.0.0.0:5001', only: [] }, () => undefined);
  const all = [];
  for (const group of allGroups) all.push(...(await group.run(context)));
  yield { name: 'checks.json', content: all };
}

function* settings(): Generator<Part> {
  const values = toldSettings.map((name) => [name.replaceAll('/', '.'), readSetting(name) ?? null]);
  yield { name: 'sysctls.json', content: Object.fromEntries(values) };
}

function* processes({ daemons }: Machine): Generator<Part> {
  yield { name: 'processes.json', content: daemons.map(withoutSecrets) };
}

/** Names, sizes and rights; nothing of what is in the files. */
function* folders({ flags: { stateDir, pkiDir }, runDir }: Machine): Generator<Part> {
  for (const [name, path] of Object.entries({ 'run-dir': runDir, 'state-dir': stateDir, 'pki-dir': pkiDir }))
    yield { name: `folders/${name}.json`, content: listed(path) };
}

function listed(folder: string): unknown {
  try {
    const names = ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()];
    return names.slice(0, 5000).map((name) => {
      const stat = statSync(join(folder, name), { throwIfNoEntry: false });
      return { name, mode: stat?.mode.toString(8), uid: stat?.uid, size: stat?.size, changed: stat?.mtime };
    });
  } catch (error) {
    return { folder, notToBeHad: (error as Error).message };
  }
}

function* networks({ mesh }: Machine): Generator<Part> {
  yield { name: 'network/node.json', content: ownNetwork() };
  for (const [name, network] of podNetworks((id) => mesh.hasConnection(id)))
    yield { name: `network/pods/${name.replace(/[^\w.-]/g, '_').slice(0, 60)}.json`, content: network };
}

/** Rules without the elements of their sets, which are others' business. */
async function* firewall(): AsyncGenerator<Part> {
  yield {
    name: 'network/firewall.txt',
    content: await printedBy('nft', ['--stateless', '--terse', 'list', 'ruleset']),
  };
}

function* logs({ daemons }: Machine): Generator<Part> {
  for (const daemon of daemons.slice(0, mostLogs)) {
    const log = logOf(daemon);
    if (log !== undefined) yield { name: `logs/${daemon.command}-${daemon.pid}.log`, content: log };
  }
}

async function* journal(): AsyncGenerator<Part> {
  for (const unit of units) {
    const text = await printedBy('journalctl', [
      '--no-pager',
      '-o',
      'short-iso',
      '-n',
      `${journalLines}`,
      '-u',
      unit,
    ]);
    if (!text.startsWith('-- No entries')) yield { name: `logs/${unit}.journal`, content: text };
  }
}

async function printedBy(command: string, args: readonly string[]): Promise<string> {
  const options = { timeout: commandMs, maxBuffer: 64 << 20 };
  return (await promisify(execFile)(command, [...args], options)).stdout;
}
