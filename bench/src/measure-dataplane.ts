// What packets get through a connection, beside the same kernel device made by hand: throughput and round trips.
import type { BareWires } from './bare-wires.js';
import type { Cleanup } from './cleanup.js';
import { type Kind, type Mesh, services } from './mesh.js';
import type { Plan } from './options.js';
import { type Measure, type Path, takeTurns } from './packets.js';
import { median, ratio, rounded } from './statistics.js';
import { clientOf } from './system.js';

/** One quality of a connection beside that of a bare wire of the same kind; medians of rounds taken by turns. */
export interface DataplaneFigure {
  readonly kind: Kind;
  readonly measures: Measure;
  /** Throughput in Gbit/s, round trips in microseconds. */
  readonly connection: number;
  readonly bare: number;
  /** The connection's by the bare wire's: the median of the rounds' own ratios, in which slow changes of load cancel. */
  readonly ratio: number;
  readonly rounds: number;
}

/** Numbers of connections from here on are those of packets. */
const firstNumber = 900_000_001;

export async function measureDataplane(
  mesh: Mesh,
  wires: BareWires,
  plan: Plan,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<DataplaneFigure[]> {
  const figures: DataplaneFigure[] = [];
  const client = clientOf(mesh, 'bench-a', services);
  const [from] = mesh.pods;
  if (!from) return [];
  for (const [index, kind] of (['local', 'remote'] as const).entries()) {
    const n = firstNumber + index;
    const to = mesh.endpoints[kind === 'local' ? 'a' : 'b'];
    const connection: Path = { from, to, address: await client.open(kind, n, 0) };
    const bare = kind === 'local' ? wires.veth : wires.vxlan;
    for (const measures of ['round-trip', 'throughput'] as const) {
      say(`${measures} through ${services[kind]} and a bare wire`);
      const taken = await takeTurns(measures, { connection, bare }, plan.streamRounds, plan, cleanup);
      figures.push({
        kind,
        measures,
        connection: rounded(median(taken.connection)),
        bare: rounded(median(taken.bare)),
        ratio: ratio(taken.connection, taken.bare),
        rounds: plan.streamRounds,
      });
    }
    await client.close(kind, n);
  }
  return figures;
}
