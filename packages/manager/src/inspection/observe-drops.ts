// What each node of a connection knows of packets that do not get on.
import { type capture, NsmError } from '@nsm/api';
import type { Connection } from '../state/connection.js';
import { oneLine } from '../untrusted-text.js';
import type { InspectionComponents } from './components.js';
import { otherHalf } from './halves.js';

export interface NodeDrops {
  readonly manager: string;
  readonly kernel: readonly Pick<capture.KernelDrop, 'reason' | 'place' | 'protocol' | 'count'>[];
  readonly counted: Readonly<Record<string, bigint>>;
  readonly faults: readonly string[];
  /** Why the node does not tell all of it; '' when it does. */
  readonly missing: string;
}

type Told = Pick<capture.DropsSeen, 'kernel' | 'kernelMissing' | 'counted' | 'faults'>;

/** Milliseconds that another manager has beside the time for which it looks. */
const answersWithinMs = 1000;

/** Of what another manager tells. */
const mostTold = 32;

/** On this node, for its own operators or for the manager of the other half. */
export async function observeHere(
  { forwarder }: InspectionComponents,
  { crossConnect }: Connection,
  durationMs: number,
  signal: AbortSignal,
): Promise<Told> {
  const [seen, { differences }] = await Promise.all([
    forwarder.observeDrops({ crossConnect, durationMs }, { signal }),
    forwarder.compare(crossConnect).catch(() => ({ differences: [] })),
  ]);
  return {
    ...seen,
    faults: [...seen.faults, ...differences.map((difference) => `other than agreed: ${difference}`)],
  };
}

/** On all nodes that the connection touches. What a node does not tell is no error. */
export async function observeAll(
  components: InspectionComponents,
  connection: Connection,
  durationMs: number,
  signal: AbortSignal,
): Promise<NodeDrops[]> {
  const { self, peers } = components;
  const here = observeHere(components, connection, durationMs, signal);
  const nodes = [told(self.name, here)];
  const other = otherHalf(components, connection);
  if (other) {
    const { peer, half } = other;
    nodes.push(
      told(
        peer.manager,
        peers
          .inspection(peer)
          .observeHalf({ half, durationMs }, { signal, timeoutMs: durationMs + answersWithinMs }),
      ),
    );
  }
  return await Promise.all(nodes);
}

async function told(manager: string, answer: Promise<Told>): Promise<NodeDrops> {
  try {
    const { kernel, kernelMissing, counted, faults } = await answer;
    return {
      manager,
      kernel: kernel.slice(0, mostTold).map(({ reason, place, protocol, count }) => ({
        reason: oneLine(reason),
        place: oneLine(place),
        protocol,
        count,
      })),
      counted: Object.fromEntries(
        Object.entries(counted)
          .slice(0, mostTold)
          .map(([reason, count]) => [oneLine(reason), count]),
      ),
      faults: faults.slice(0, mostTold).map(oneLine),
      missing: oneLine(kernelMissing),
    };
  } catch (error) {
    return { manager, kernel: [], counted: {}, faults: [], missing: oneLine(NsmError.from(error).message) };
  }
}
