// Whether the network between two nodes lets through what tunnels send: the connections that are up say so, and else what is knocked at.
import { type Tunnel, TunnelType, tunnelName } from '@nsm/api';
import type { Door } from '@nsm/netlink';
import type { ConnectionView } from '@nsm/views/connection-view';
import { broken, type Outcome, untried, warning, well } from './check.js';
import { type Knocked, knockAt } from './knock.js';

/** What all packets of some kinds of tunnel go by. */
export interface Passage {
  /** `UDP port 4789`. */
  readonly name: string;
  /** Undefined where no kernel answers. */
  readonly door: Door | undefined;
  readonly kinds: readonly string[];
}

const greProtocol = 47;
/** A port and a protocol (RFC 3692) that nobody has. */
const freeDoor = (door: Door): Door => ('udpPort' in door ? { udpPort: 33_999 } : { protocol: 253 });

/**
 * @param remote underlay address of the other node.
 * @param tunnels that this node can make towards it.
 */
export async function readWays(
  { manager, remote }: { readonly manager: string; readonly remote: string },
  tunnels: readonly Pick<Tunnel, 'type' | 'parameters'>[],
  connections: readonly ConnectionView[],
): Promise<Outcome[]> {
  const inUse = carrying(manager, connections);
  const used = [...inUse].map(([kind, count]) =>
    well(
      `${kind} to ${manager}: packets of ${count} ${count === 1 ? 'connection' : 'connections'} come back`,
    ),
  );
  const passages = passagesOf(tunnels).filter(({ kinds }) => !kinds.some((kind) => inUse.has(kind)));
  const doors = passages.flatMap(({ door }) => door ?? []);
  const { answers, answersSome } = await knockAt(remote, doors, freeDoor);
  return [
    ...used,
    ...passages.map((passage) =>
      judgeWay(manager, passage, passage.door && answers.get(passage.door), answersSome),
    ),
  ];
}

/** @param answers whether the other node's kernel says of other packets that they came, and nobody waits for them. */
export function judgeWay(
  manager: string,
  { name, kinds }: Passage,
  knocked: Knocked | undefined,
  answers: boolean,
): Outcome {
  const what = `${name} (${kinds.join(', ')}) to ${manager}`;
  const mend = `let ${name} through between the nodes (\`nft list ruleset\`, \`iptables-save\`, the rules of the cloud), or use another kind: \`nsm manager --tunnel KIND\``;
  if (knocked === undefined) return untried(`${what}: only a connection shows whether its packets pass`);
  if (typeof knocked === 'object') return untried(`${what}: ${knocked.untried}`);
  if (knocked === 'came') return well(`${what}: packets come there`);
  if (knocked === 'forbidden') return broken(`${what}: refused on the way`, mend);
  return answers
    ? warning(
        `${what}: nothing is heard of packets, though the node answers others: a firewall drops them, or another program takes them`,
        mend,
      )
    : untried(
        `${what}: the node says nothing of packets that nobody waits for; a connection shows whether they pass`,
      );
}

export function passagesOf(tunnels: readonly Pick<Tunnel, 'type' | 'parameters'>[]): Passage[] {
  const passages = new Map<string, Passage>();
  for (const { type, parameters } of tunnels) {
    const passage = passageOf(type, parameters?.port ?? 0);
    const kinds = [...(passages.get(passage.name)?.kinds ?? []), tunnelName(type)];
    passages.set(passage.name, { ...passage, kinds });
  }
  return [...passages.values()];
}

function passageOf(type: TunnelType, port: number): Omit<Passage, 'kinds'> {
  if (port !== 0) return { name: `UDP port ${port}`, door: { udpPort: port } };
  if (type === TunnelType.MPLSoEthernet) return { name: 'EtherType 0x8847', door: undefined };
  return { name: `IP protocol ${greProtocol}`, door: { protocol: greProtocol } };
}

/** Kinds that carry packets to a node now, and how many connections each. */
function carrying(manager: string, connections: readonly ConnectionView[]): Map<string, number> {
  const kinds = new Map<string, number>();
  for (const { peerManager, state, tunnel } of connections)
    if (peerManager === manager && state === 'SYNCED' && tunnel)
      kinds.set(tunnel.type, (kinds.get(tunnel.type) ?? 0) + 1);
  return kinds;
}
