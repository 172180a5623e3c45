// Checks of the network between this node and the others, each measured from here.

import { splitHostPort } from '@nsm/api';
import { onlyTunnelsText } from '@nsm/views/capability-view';
import { mendMtu } from '@nsm/views/texts';
import { renewal } from './certificates.js';
import { broken, type Check, type Group, group, type Outcome, untried, warning, well } from './check.js';
import { findingCheck, foundAs } from './findings-check.js';
import { type NetworkFacts, type PeerFacts, readNetworkFacts } from './network-facts.js';

/** Milliseconds. Logs of two machines are hard to read beyond the first; certificates begin half an hour before they are made. */
const [clockApartMs, clockWrongMs] = [5000, 25 * 60_000];

export const networkChecks: readonly Check<NetworkFacts>[] = [
  {
    code: 'NSM0950',
    title: 'own address',
    neededFor: 'other managers and the far ends of tunnels, which send there',
    mend: '`ip -br addr` shows the addresses of this node; start the manager with `--advertise ADDRESS:PORT`',
    judge: ({ view, host, hostAddresses, ownAddresses, sameNetwork, thereToo }) => {
      if (!sameNetwork) return elsewhere(thereToo);
      if (hostAddresses.length === 0) return broken(`${host}, which --advertise names, does not resolve`);
      const loopback = hostAddresses.every((one) => /^(127\.|::1$)/.test(one));
      if (loopback && view.managers.length > 1)
        return broken(
          `${view.manager.address} is an address that means each machine itself: other nodes do not reach this one by it`,
        );
      return hostAddresses.some((one) => ownAddresses.includes(one))
        ? well(`${host} is an address of this node`)
        : warning(
            `no device of this node has ${hostAddresses.join(', ')}, under which others call it: right only behind a translation of addresses, through which no tunnel goes`,
          );
    },
  },
  {
    code: 'NSM0951',
    title: 'other managers',
    neededFor: 'connections to endpoints of other nodes',
    mend: '`nc -vz HOST PORT` from this node; open TCP between the nodes, and see that the manager there runs and what its log says',
    judge: ({ peers, view }) => {
      if (peers.length === 0)
        return view.managers.some(({ name }) => name !== view.manager.name)
          ? untried('all other managers have stopped')
          : well(
              `this manager knows no other${view.registrySynced ? '' : ', and the registry does not answer'}`,
            );
      return peers.flatMap((peer) => reached(peer));
    },
  },
  {
    code: 'NSM0952',
    title: 'versions of other managers',
    neededFor: 'everything that came since the oldest of them',
    mend: 'upgrade the managers one after the other: packets flow on meanwhile',
    judge: ({ peers, view }) => {
      if (peers.length === 0) return undefined;
      const told = peers.filter(({ error }) => error === '');
      if (told.length === 0) return untried('no other manager was reached');
      const others = told.filter(({ version }) => version !== view.manager.version);
      if (others.length === 0) return well(`all run ${view.manager.version}, as this node`);
      return others.map(({ manager, version }) =>
        warning(
          `${manager} runs ${version || 'a version that it does not say'}, and this node ${view.manager.version}`,
        ),
      );
    },
  },
  findingCheck<NetworkFacts>({
    code: 'NSM0953',
    title: 'managers that ended',
    neededFor: 'their nodes: endpoints there are not chosen',
    mend: 'start the manager of that node again, or remove its record by a manager of that name that stops',
    well: () => 'none ended without a word',
  }),
  {
    code: 'NSM0955',
    title: 'clocks',
    neededFor: 'certificates, which hold from one time to another, and logs that are compared',
    mend: '`timedatectl set-ntp true` on the node whose clock is wrong',
    judge: ({ peers }) => {
      const told = peers.filter(
        (peer): peer is PeerFacts & { clockAheadMs: number } => peer.clockAheadMs !== undefined,
      );
      if (told.length === 0)
        return peers.length === 0 ? undefined : untried('no other manager says what its clock is');
      return told.map(({ manager, clockAheadMs }) => {
        const words = `the clock of ${manager} is ${inWords(Math.abs(clockAheadMs))} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of this node`;
        if (Math.abs(clockAheadMs) > clockWrongMs) return broken(words);
        return Math.abs(clockAheadMs) > clockApartMs ? warning(words) : well(words);
      });
    },
  },
  {
    code: 'NSM0956',
    title: 'underlay MTU',
    neededFor: 'large packets: what is too large for the way disappears without a word, and TCP stalls',
    mend: '`ip link set DEVICE mtu BYTES`, or for one node: `ip route change ADDRESS dev DEVICE mtu lock BYTES`',
    judge: ({ peers, sameNetwork, thereToo, findings }) => {
      if (peers.length === 0) return undefined;
      const measured = sameNetwork ? peers.map(mtuOutcome) : [elsewhere(thereToo)];
      // What is measured says as much and more of a way that is too narrow.
      if (measured.some(({ level }) => level === 'broken')) return measured;
      return [...foundAs('NSM0956', findings), ...measured];
    },
  },
  {
    code: 'NSM0957',
    title: 'ways of tunnels',
    neededFor:
      'packets to other nodes: UDP 4789 (VXLAN), 4790 (VXLAN-GPE), 6635 (MPLSoUDP), IP protocol 47 (GRE, MPLSoGRE), EtherType 0x8847 (MPLSoEthernet)',
    mend: 'open the port or protocol between the nodes, or choose another kind: `nsm manager --tunnel KIND`',
    judge: ({ peers }) => {
      const ways = peers.flatMap((peer) => peer.ways);
      return ways.length === 0 ? undefined : ways;
    },
  },
  findingCheck<NetworkFacts>({
    code: 'NSM0958',
    title: 'tunnels of this node',
    neededFor: 'connections to other nodes',
    mend: '`nsm get tunnels` says what each kind lacks',
    well: ({ view }) =>
      [
        `this node makes ${[...new Set(view.tunnelTypes.filter(({ works }) => works).map(({ type }) => type))].join(', ') || 'none, and needs none'}`,
        onlyTunnelsText(view.onlyTunnels),
      ]
        .filter((part) => part !== '')
        .join(', '),
    beyond: ({ peers, view }) => [
      ...view.tunnelTypes
        .flatMap(({ obstacles }) => obstacles)
        .filter((one, index, all) => all.indexOf(one) === index)
        .map((one) =>
          warning(
            `${one} runs before the mesh's programs and may end the way of its packets`,
            '`bpftool net` shows the programs of each device; have that one put after those of the mesh',
          ),
        ),
      ...peers
        .filter(({ error, kinds }) => error === '' && kinds === 0)
        .map(({ manager, obstacle }) =>
          broken(`no kind of tunnel leads to ${manager}${obstacle === '' ? '' : `: ${obstacle}`}`),
        ),
    ],
  }),
];

export const networkGroup: Group = group<NetworkFacts>({
  name: 'network',
  title: 'Network between the nodes',
  needsManager: true,
  read: readNetworkFacts,
  checks: networkChecks,
});

function reached({ manager, address, error, code, alive, secure, roundTripMs }: PeerFacts): Outcome[] {
  if (error === '')
    return [
      well(
        `${manager} answers on ${address} in ${roundTripMs.toFixed(1)} ms, ${secure ? 'by mutual TLS' : 'in plain text'}`,
      ),
    ];
  // What is wrong with its certificate is said there; that it is gone is a finding.
  const level = alive ? broken : warning;
  return [
    level(
      `${manager} on ${address}: ${error}`,
      code === 'NSM0503'
        ? (renewal(manager, error) ?? '`nsm check --only certificates` on both nodes')
        : `\`nc -vz ${splitHostPort(address).host} ${splitHostPort(address).port}\` from this node; see that the manager there runs, and what its log says`,
    ),
  ];
}

function mtuOutcome({ manager, mtu }: PeerFacts): Outcome {
  if (typeof mtu === 'string') return untried(`MTU to ${manager}: ${mtu}`);
  const { measured, expected, device, remote } = mtu;
  if (measured >= expected)
    return well(`${measured} bytes reach ${manager} (${remote} by ${device}) and come back whole`);
  return broken(
    `packets of ${measured} bytes reach ${manager} (${remote}) and come back, larger ones do not, and ${device} takes ${expected}`,
    `\`ip link set ${device} mtu ${measured}\`, or for that node alone: \`${mendMtu(remote, device, mtu.via, measured)}\``,
  );
}

function elsewhere(thereToo: string): Outcome {
  return untried(
    `this process is in another network namespace than the manager; \`${thereToo}\` looks from there`,
  );
}

function inWords(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
