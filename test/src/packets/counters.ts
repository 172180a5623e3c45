// What the managers count of a connection: what was sent has been received, or was dropped for a reason that is told.
import type { admin } from '@nsm/api';
import { waitFor } from '@nsm/testkit';
import type { MeshNode } from '../mesh-node.js';
import { hashOf } from '../pod-network.js';

type Statistics = NonNullable<admin.Connection['statistics']>;

/** Milliseconds that the last packets may be on their way. */
const patience = 2_000;

/** Of both ends, each as its own node counts. */
export const countingFaults = async (
  nodes: readonly [near: MeshNode, far: MeshNode],
  connectionId: string,
): Promise<string[]> => {
  let faults: string[] = ['nothing was counted'];
  const none = async (): Promise<boolean> => {
    const [near, far] = await Promise.all(nodes.map((node) => statisticsOf(node, connectionId)));
    faults = near && far ? [...between('→', near, far), ...between('←', far, near)] : faults;
    return faults.length === 0;
  };
  await waitFor(none, { timeout: patience, interval: 100 }).catch(() => undefined);
  return faults;
};

const statisticsOf = async (node: MeshNode, connectionId: string): Promise<Statistics | undefined> =>
  (await node.connections()).find(({ id }) => hashOf(id) === hashOf(connectionId))?.statistics;

const between = (what: string, from: Statistics, to: Statistics): string[] => {
  const lost = from.sentPackets - to.receivedPackets;
  const dropped = from.sentDrops + to.receivedDrops;
  const reasons = { ...from.drops, ...to.drops };
  const text = Object.entries(reasons).map(([reason, count]) => `${count} ${reason}`);
  const seen = `${what}: ${from.sentPackets} sent, ${to.receivedPackets} received; dropped: ${text.join(', ') || 'none'}`;
  return lost === 0n && dropped === 0n ? [] : [seen];
};
