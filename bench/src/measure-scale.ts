// Whether a connection stays as cheap when a node has many: set-up latency and CPU as connections to one endpoint grow.
import { openNamespace, RouteSocket } from '@nsm/netlink';
import { bareRequestId, clientEnd, endpointEnd } from './bare/bare-manager.js';
import { work } from './bare/kernel-work.js';
import { closedLoop } from './closed-loop.js';
import { type Mesh, services } from './mesh.js';
import type { Plan } from './options.js';
import type { Usage } from './probe.js';
import { median, rounded } from './statistics.js';
import { clientOf } from './system.js';

export interface ScaleFigure {
  /** Connections held when the step began. */
  readonly held: number;
  /** Milliseconds, p50 of the step's set-ups, 8 in flight. */
  readonly p50: number;
  readonly perSecond: number;
  /** Milliseconds that the kernel takes for each device pair and its addresses alone, on a node as full. */
  readonly kernel: number;
  /** Milliseconds of the manager's CPU for each. */
  readonly cpu: number;
}

const manager = 'bench-scale';
const step = 250;
const warmUp = 100;

export async function measureScale(
  mesh: Mesh,
  { scale }: Plan,
  say: (text: string) => void,
): Promise<ScaleFigure[]> {
  say(`set-up with up to ${scale} connections held`);
  const program = await mesh.startManager(manager, 'a', 5004, '');
  const endpoint = await mesh.startEndpoint('bench-endpoint-scale', manager, 'a', services.local);
  const client = clientOf(mesh, manager, services);
  const cpu = async (): Promise<number> => (await program.ask<Usage>({ collect: false })).cpu;
  await closedLoop(warmUp, 8, (n) => client.open('local', n, n));
  await closedLoop(warmUp, warmUp, (n) => client.close('local', n));

  const kernel = kernelAlone(mesh, scale);
  const figures: ScaleFigure[] = [];
  for (let held = 0; held < scale; held += step) {
    const before = await cpu();
    const { latencies, elapsed } = await closedLoop(step, 8, (n) =>
      client.open('local', warmUp + held + n, held + n),
    );
    figures.push({
      held,
      kernel: kernel[held / step] ?? 0,
      p50: median(latencies),
      perSecond: rounded((1000 * step) / elapsed),
      cpu: rounded(((await cpu()) - before) / 1000 / step),
    });
  }
  await closedLoop(scale, scale, (n) => client.close('local', warmUp + n));
  await endpoint.stop();
  await program.stop();
  return figures;
}

/** Medians of every step of the same devices, made by this very process. */
function kernelAlone({ pods, endpoints, nodes }: Mesh, scale: number): number[] {
  using namespace = openNamespace(nodes.a.path);
  using node = RouteSocket.open(namespace);
  const times: number[] = [];
  const removals = Array.from({ length: scale }, (_, n) => {
    const alias = bareRequestId(500_000_000 + n);
    const endpoint = endpointEnd(alias, endpoints.a.path);
    const before = performance.now();
    work(
      { kind: 'veth', alias, client: clientEnd(alias, pods[n % pods.length]?.path ?? ''), endpoint },
      node,
    );
    times.push(performance.now() - before);
    return { kind: 'veth', ...endpoint } as const;
  });
  work({ kind: 'delete', removals }, node);
  return Array.from({ length: scale / step }, (_, n) => median(times.slice(n * step, (n + 1) * step)));
}
