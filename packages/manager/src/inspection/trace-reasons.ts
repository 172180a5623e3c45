// Why packets were dropped where they were, as far as it can be told: the likeliest first.
import { type forwarder as fw, tunnelNames } from '@nsm/api';
import type { NodeDrops } from './observe-drops.js';
import type { Loss, Stage } from './trace-way.js';

export interface LossFacts {
  readonly loss: Loss;
  readonly count: number;
  /** Bytes of packets that were answered, where only larger ones are lost; 0: none were. */
  readonly smallerSize: number;
  readonly peer: string;
  readonly tunnel: fw.TunnelEnd | undefined;
  /** Whether the other node answers beside the tunnel; undefined: it was not asked. */
  readonly underlayAnswers: boolean | undefined;
  /** Why the kernel did not send at all; '' when it did. */
  readonly unsent: string;
  /** What was heard back instead of an answer, such as "ICMP too big at client on node node-a". */
  readonly errors: readonly string[];
  readonly nodes: readonly NodeDrops[];
}

/** EtherTypes (IEEE 802 numbers of IANA). */
const etherTypes = { IPv4: 0x0800, IPv6: 0x86dd, ARP: 0x0806, MPLS: 0x8847 };
type EtherTypeName = keyof typeof etherTypes;

/** Drop reasons of the kernel (`enum skb_drop_reason`, net/dropreason-core.h) that people meet, with what to look at. */
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
  OTHERHOST: ' (it is for another MAC address)',
};

/** Of the drops of a node's kernel that are told, the most frequent ones. */
const mostOfKernel = 3;

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
    ...concerned.flatMap((node) => droppedBy(node, facts)),
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

/** Drops of packets of the same kind that were at least as many as the lost packets. */
function droppedBy({ manager, kernel }: NodeDrops, { count: lost, tunnel, peer }: LossFacts): string[] {
  const version = (address: string): EtherTypeName => (address.includes(':') ? 'IPv6' : 'IPv4');
  const inside: EtherTypeName[] = version(peer) === 'IPv4' ? ['IPv4', 'ARP'] : ['IPv6'];
  const outside: EtherTypeName[] = tunnel ? [version(tunnel.remote), 'MPLS'] : [];
  const names = new Map([...inside, ...outside].map((name) => [etherTypes[name], name]));
  return kernel
    .filter(({ protocol, count }) => names.has(protocol) && count >= lost)
    .toSorted((a, b) => Number(meaningOf(b.reason) !== '') - Number(meaningOf(a.reason) !== ''))
    .slice(0, mostOfKernel)
    .map(
      ({ reason, place, protocol, count }) =>
        `the kernel of node ${manager} dropped ${count} packets of ${names.get(protocol)} meanwhile: ${reason} in ${place}${meaningOf(reason)}`,
    );
}

function meaningOf(reason: string): string {
  return meanings[reason] ?? '';
}

/** Reasons that follow from the place of the loss. */
function between({ loss: { after, before }, tunnel, smallerSize, underlayAnswers }: LossFacts): string[] {
  if (!after)
    return ["the pod does not send it by the connection's interface: its routes, rules or firewall"];
  if (smallerSize > 0)
    return [
      `packets of ${smallerSize} bytes pass and larger ones do not: an MTU on the way is too small for the tunnel`,
    ];
  const turned = !after.answer && before.answer;
  if (turned && (after.place === 'client' || after.place === 'endpoint'))
    return ['the pod got it, and did not answer: its firewall, its application, or its way back'];
  const isBetweenNodes = after.place === 'underlay' && before.place === 'underlay';
  if (!isBetweenNodes && !turned) return [];
  const ping = underlayAnswers ? '; ICMP between the nodes passes' : '; nor does ICMP pass between the nodes';
  return [
    `the network between the nodes does not pass ${tunnel ? carrierOf(tunnel) : 'packets'}` +
      `${underlayAnswers === undefined ? '' : ping}: a firewall, a security group or an MTU on the way`,
  ];
}

function carrierOf({ type, port }: fw.TunnelEnd): string {
  const name = tunnelNames[type] ?? 'the tunnel';
  if (port > 0) return `${name} (UDP port ${port})`;
  return name === 'MPLSoEthernet' ? `${name} (EtherType 0x8847)` : `${name} (IP protocol 47)`;
}
