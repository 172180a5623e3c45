// What the managers count of a connection: what was sent has been received, or was dropped for a reason that is told.
import type { admin } from '@nsm/api';
import { waitFor } from '@nsm/testkit';
import type { MeshNode } from '../mesh/mesh-node.js';
import { hashOf } from '../mesh/pod-network.js';

type Statistics = NonNullable<admin.Connection['statistics']>;
/** Of both ends, each as its own node counts. */
type Both = readonly [near: Statistics, far: Statistics];

/** Milliseconds that the last packets may be on their way. */
const patience = 5_000;

/** What `work` finds, and what was not counted meanwhile. */
export const counted = async (
  nodes: readonly MeshNode[],
  connectionId: string,
  work: () => Promise<string[]>,
): Promise<string[]> => {
  const before = await atRest(nodes, connectionId);
  const found = await work();
  let faults: string[] = [];
  const addsUp = async (): Promise<boolean> => {
    const after = await statisticsOf(nodes, connectionId);
    const carried = [0, 1].some((n) => (after[n]?.sentPackets ?? 0n) > (before[n]?.sentPackets ?? 0n));
    faults = [
      ...(carried ? [] : ['nothing was counted']),
      ...between('→', before, after, 0, 1),
      ...between('←', before, after, 1, 0),
    ];
    return faults.length === 0;
  };
  await waitFor(addsUp, { timeout: patience, interval: 20 }).catch(() => undefined);
  return [...found, ...faults];
};

/** Drops of one end, by their reasons. */
export const dropsAt = async (
  node: MeshNode,
  connectionId: string,
): Promise<Readonly<Record<string, bigint>>> => (await statisticsAt(node, connectionId)).drops;

/** Nothing is on its way: two looks are the same. */
const atRest = async (nodes: readonly MeshNode[], connectionId: string): Promise<Both> => {
  let last = await statisticsOf(nodes, connectionId);
  const same = async (): Promise<boolean> => {
    const earlier = last;
    last = await statisticsOf(nodes, connectionId);
    return [0, 1].every((n) => {
      const [one, other] = [earlier[n], last[n]];
      return one?.sentPackets === other?.sentPackets && one?.receivedPackets === other?.receivedPackets;
    });
  };
  await waitFor(same, { what: 'no packet being on its way' });
  return last;
};

const statisticsOf = async (nodes: readonly MeshNode[], connectionId: string): Promise<Both> => {
  const [near, far] = await Promise.all(nodes.map((node) => statisticsAt(node, connectionId)));
  if (!near || !far) throw new Error('a connection has two ends');
  return [near, far];
};

const statisticsAt = async (node: MeshNode, connectionId: string): Promise<Statistics> => {
  const connections = await node.connections();
  const found = connections.find(({ id }) => hashOf(id) === hashOf(connectionId))?.statistics;
  if (!found) throw new Error(`${node.name} does not count for ${connectionId}`);
  return found;
};

const between = (what: string, before: Both, after: Both, sender: 0 | 1, receiver: 0 | 1): string[] => {
  const sent = after[sender].sentPackets - before[sender].sentPackets;
  const received = after[receiver].receivedPackets - before[receiver].receivedPackets;
  const drops = new Map<string, bigint>();
  for (const [side, word] of [
    [sender, 'sent, '],
    [receiver, 'received, '],
  ] as const)
    for (const [reason, count] of Object.entries(after[side].drops)) {
      const more = count - (before[side].drops[reason] ?? 0n);
      if (reason.startsWith(word) && more > 0n) drops.set(reason, more);
    }
  const total =
    after[sender].sentDrops -
    before[sender].sentDrops +
    (after[receiver].receivedDrops - before[receiver].receivedDrops);
  const named = [...drops.values()].reduce((sum, count) => sum + count, 0n);
  const lost = [...drops].reduce((sum, [reason, count]) => (isOnTheWay(reason) ? sum + count : sum), 0n);
  if (sent - received === lost && total === named) return [];
  const told = [...drops].map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none';
  return [`${what}: counted ${sent} sent, ${received} received, ${total} dropped, of which ${told}`];
};

/** Whether what was dropped had been counted as sent, and not as received. */
const isOnTheWay = (reason: string): boolean =>
  reason.startsWith('sent, ')
    ? reason === 'sent, no neighbour'
    : reason !== 'received, not processed by the pod';
