// Why packets were dropped where they were, as far as it can be told: the likeliest first.
import { type forwarder as fw, tunnelNames } from '@nsm/api';
import type { NodeDrops } from './observe-drops.js';
import type { Loss, Stage } from './trace-way.js';

export interface LossFacts {
  readonly loss: Loss;
  /** Packets that were lost. */
  readonly count: number;
  readonly tunnel: fw.TunnelEnd | undefined;
  /** Whether the other node answers beside the tunnel; undefined: it was not asked. */
  readonly underlayAnswers: boolean | undefined;
  /** Why the kernel did not send at all; '' when it did. */
  readonly unsent: string;
  /** What was heard back instead of an answer, such as "ICMP too big at client on node node-a". */
  readonly errors: readonly string[];
  readonly nodes: readonly NodeDrops[];
}

/** EtherTypes that the packets of a connection and its tunnel have. */
const followed: Readonly<Record<number, string>> = {
  2048: 'IPv4',
  34525: 'IPv6',
  2054: 'ARP',
  34887: 'MPLS',
};

export function placeOf({ place, manager, outgoing }: Stage): string {
  const device = place === 'node' ? 'the end of the device' : `the ${place}`;
  return `${device} on ${manager} (${outgoing ? 'out' : 'in'})`;
}

export function lossText({ after, before }: Loss): string {
  return after
    ? `seen at ${placeOf(after)}${after.answer ? ' on its way back' : ''}, and not at ${placeOf(before)}`
    : `never seen at ${placeOf(before)}`;
}

export function reasonsOf(facts: LossFacts): string[] {
  const { loss, unsent, errors, nodes } = facts;
  const { after, before } = loss;
  const concerned = nodes.filter(({ manager }) => manager === after?.manager || manager === before.manager);
  const others = nodes.filter((node) => !concerned.includes(node));
  return [
    ...(unsent === '' ? [] : [`the kernel does not send it: ${unsent}`]),
    ...errors,
    ...concerned.flatMap((node) => [...faultsOf(node), ...countedBy(node)]),
    ...between(facts),
    ...concerned.flatMap((node) => droppedBy(node, facts.count)),
    ...others.flatMap((node) => [...faultsOf(node), ...countedBy(node)]),
    ...concerned.flatMap(({ manager, missing }) =>
      missing === '' ? [] : [`the kernel of node ${manager} does not tell what it drops: ${missing}`],
    ),
  ];
}

function faultsOf({ manager, faults }: NodeDrops): string[] {
  return faults.map((fault) => `on node ${manager}: ${fault}`);
}

function countedBy({ manager, counted }: NodeDrops): string[] {
  return Object.entries(counted).map(
    ([reason, count]) => `on node ${manager}, of this connection: ${count} packets "${reason}"`,
  );
}

/** What happened as often as packets were lost, or more often. */
function droppedBy({ manager, kernel }: NodeDrops, lost: number): string[] {
  return kernel
    .filter(({ protocol, count }) => followed[protocol] !== undefined && count >= lost)
    .map(
      ({ reason, place, protocol, count }) =>
        `the kernel of node ${manager} dropped ${count} packets of ${followed[protocol]} meanwhile: ${reason} in ${place}${meaningOf(reason)}`,
    );
}

/** What to look at for the reasons that people meet. */
function meaningOf(reason: string): string {
  const meanings: Readonly<Record<string, string>> = {
    NETFILTER_DROP: ' (a rule of nftables or iptables)',
    IP_RPFILTER: ' (net.ipv4.conf.*.rp_filter)',
    TC_INGRESS: ' (traffic control: nsm get tunnels tells of programs in the way)',
    TC_EGRESS: ' (traffic control)',
    XDP: ' (an XDP program)',
    PKT_TOO_BIG: ' (an MTU on the way)',
    NEIGH_FAILED: ' (nobody answered for the next hop)',
    IP_OUTNOROUTES: ' (no route)',
    IP_INNOROUTES: ' (no route)',
    DEV_READY: ' (the device is down)',
  };
  return meanings[reason] ?? '';
}

/** What the place itself says. */
function between({ loss: { after, before }, tunnel, underlayAnswers }: LossFacts): string[] {
  if (!after)
    return ["the pod does not send it by the connection's interface: its routes, rules or firewall"];
  if (after.manager !== before.manager) {
    const what = tunnel ? carrierOf(tunnel) : 'packets';
    const ping =
      underlayAnswers === undefined
        ? ''
        : underlayAnswers
          ? '; ICMP between the nodes passes'
          : '; nor does ICMP pass between the nodes';
    return [
      `the network between the nodes does not pass ${what}${ping}: a firewall, a security group or an MTU on the way`,
    ];
  }
  const turned = !after.answer && before.answer;
  if (turned) return ['the pod got it, and did not answer: its firewall, its application, or its way back'];
  return [];
}

function carrierOf({ type, port }: fw.TunnelEnd): string {
  const name = tunnelNames[type] ?? 'the tunnel';
  if (port > 0) return `${name} (UDP port ${port})`;
  return name === 'MPLSoEthernet' ? `${name} (EtherType 0x8847)` : `${name} (IP protocol 47)`;
}
