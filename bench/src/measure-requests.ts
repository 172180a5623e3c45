// How long opening and closing take, in the real system and in the bare one by turns.
import { openNamespace, RouteSocket } from '@nsm/netlink';
import { bareRequestId, bareServices, clientEnd, endpointEnd } from './bare/bare-manager.js';
import { BareTunnels } from './bare/bare-tunnels.js';
import { work } from './bare/kernel-work.js';
import { closedLoop, type Loaded } from './closed-loop.js';
import type { Kind, Mesh } from './mesh.js';
import type { Plan } from './options.js';
import type { Usage } from './probe.js';
import { median, rounded, type Summary, summarize } from './statistics.js';
import type { System, Systems } from './system.js';

export type Operation = 'set-up' | 'closing';

/** One operation at one number in flight, beside its floor. Latencies in milliseconds. */
export interface RequestFigure {
  readonly operation: Operation;
  readonly kind: Kind;
  readonly inFlight: number;
  readonly measured: Summary;
  readonly floor: Summary;
  /** p50 by p50. */
  readonly ratio: number;
}

/** Many connections closed at once. */
export interface BurstFigure {
  readonly kind: Kind;
  readonly connections: number;
  /** Milliseconds from the first request to the last answer, medians of the rounds. */
  readonly measuredMs: number;
  readonly floorMs: number;
}

/** What the floor consists of, each measured by itself with one in flight: milliseconds, p50. */
export interface FloorParts {
  /** One round trip over a unix socket. */
  readonly hop: number;
  readonly localHops: number;
  readonly remoteHops: number;
  /** A veth pair in two pods, named, up, with addresses. */
  readonly veth: number;
  /** A veth pair from a pod to its node, with a program at the node's end; named, up, with its address. */
  readonly tunnel: number;
}

/** CPU of a manager for one connection, opened and closed again. */
export interface CpuFigure {
  readonly kind: Kind;
  readonly manager: 'client' | 'endpoint';
  readonly milliseconds: number;
}

export interface RequestFigures {
  readonly requests: readonly RequestFigure[];
  readonly parts: FloorParts;
  readonly cpu: readonly CpuFigure[];
}

let lastNumber = 0;
const kinds = ['local', 'remote'] as const;

export async function measureRequests(
  mesh: Mesh,
  systems: Systems,
  plan: Plan,
  say: (text: string) => void,
): Promise<RequestFigures> {
  const requests: RequestFigure[] = [];
  const cpu: CpuFigure[] = [];
  for (const kind of kinds) {
    say(`warming up, ${kind}`);
    for (const system of [systems.managers, systems.bare]) await openAndClose(system, kind, plan.warmUp, 32);
    for (const inFlight of plan.inFlight) {
      say(`${kind} connections, ${inFlight} in flight`);
      requests.push(...(await measureAt(kind, inFlight, systems, plan)));
    }
    cpu.push(...(await measureCpu(kind, systems, plan)));
  }
  say('parts of the floor');
  return { requests, cpu, parts: await measureParts(mesh, systems, plan) };
}

async function measureAt(
  kind: Kind,
  inFlight: number,
  { managers, bare }: Systems,
  { pods, rounds }: Plan,
): Promise<RequestFigure[]> {
  const runs = { managers: new Run(), bare: new Run() };
  // The first round does not count.
  for (let round = 0; round <= rounds; round++) {
    const count = round === 0 ? Math.min(pods, 32) : pods;
    const opened = await openAndClose(managers, kind, count, inFlight);
    const floor = await openAndClose(bare, kind, count, inFlight);
    if (round === 0) continue;
    runs.managers.add(opened);
    runs.bare.add(floor);
  }
  return (['set-up', 'closing'] as const).map((operation) => {
    const measured = runs.managers.summary(operation);
    const floor = runs.bare.summary(operation);
    return { operation, kind, inFlight, measured, floor, ratio: rounded(measured.p50 / floor.p50) };
  });
}

/** The rounds of one system, put together. */
class Run {
  readonly #loads: Record<Operation, Loaded[]> = { 'set-up': [], closing: [] };

  add(loaded: Readonly<Record<Operation, Loaded>>): void {
    this.#loads['set-up'].push(loaded['set-up']);
    this.#loads.closing.push(loaded.closing);
  }

  summary(operation: Operation): Summary {
    const loads = this.#loads[operation];
    const elapsed = loads.reduce((sum, load) => sum + load.elapsed, 0);
    return summarize(
      loads.flatMap(({ latencies }) => latencies),
      elapsed,
    );
  }
}

async function openAndClose(
  system: System,
  kind: Kind,
  count: number,
  inFlight: number,
  closingInFlight: number = inFlight,
): Promise<Record<Operation, Loaded>> {
  const first = lastNumber + 1;
  lastNumber += count;
  const opened = await closedLoop(count, inFlight, (n) => system.open(kind, first + n, n));
  const closed = await closedLoop(count, closingInFlight, (n) => system.close(kind, first + n));
  return { 'set-up': opened, closing: closed };
}

export async function measureBursts(
  { managers, bare }: Systems,
  { burst, burstRounds }: Plan,
  say: (text: string) => void,
): Promise<BurstFigure[]> {
  const figures: BurstFigure[] = [];
  for (const kind of kinds) {
    say(`${burst} ${kind} connections closed at once`);
    const measured: number[] = [];
    const floor: number[] = [];
    for (let round = 0; round < burstRounds; round++) {
      measured.push((await openAndClose(managers, kind, burst, 32, burst)).closing.elapsed);
      floor.push((await openAndClose(bare, kind, burst, 32, burst)).closing.elapsed);
    }
    figures.push({ kind, connections: burst, measuredMs: median(measured), floorMs: median(floor) });
  }
  return figures;
}

async function measureCpu(kind: Kind, systems: Systems, { pods }: Plan): Promise<CpuFigure[]> {
  const programs = { client: systems.managerA, endpoint: systems.managerB } as const;
  const used = async () => ({
    client: (await programs.client.ask<Usage>({ collect: false })).cpu,
    endpoint: (await programs.endpoint.ask<Usage>({ collect: false })).cpu,
  });
  const before = await used();
  await openAndClose(systems.managers, kind, 2 * pods, 8);
  const after = await used();
  const involved = kind === 'local' ? (['client'] as const) : (['client', 'endpoint'] as const);
  return involved.map((manager) => ({
    kind,
    manager,
    milliseconds: rounded((after[manager] - before[manager]) / 1000 / (2 * pods)),
  }));
}

async function measureParts(mesh: Mesh, { hops }: Systems, { pods }: Plan): Promise<FloorParts> {
  const trips = async (service: string): Promise<number> => {
    const { latencies } = await closedLoop(300, 1, () => hops(service));
    return median(latencies.slice(50));
  };
  return {
    hop: await trips(bareServices.hop),
    localHops: await trips(bareServices.localHops),
    remoteHops: await trips(bareServices.remoteHops),
    veth: kernelAlone(mesh, 'veth', pods),
    tunnel: kernelAlone(mesh, 'tunnel', pods),
  };
}

/** The kernel's part by itself, called from this very process. */
function kernelAlone(
  { pods, endpoints, nodes, underlay }: Mesh,
  kind: 'veth' | 'tunnel',
  count: number,
): number {
  using namespace = openNamespace(nodes.a.path);
  using node = RouteSocket.open(namespace);
  return namespace.run(() => {
    const tunnels = new BareTunnels(node);
    const times: number[] = [];
    const made: { readonly name: string; readonly index: number }[] = [];
    const removals = pods.slice(0, count).map((pod, n) => {
      const alias = bareRequestId(++lastNumber);
      const client = clientEnd(alias, pod.path);
      const endpoint = endpointEnd(alias, endpoints.a.path);
      const before = performance.now();
      if (kind === 'veth') work({ kind, alias, client, endpoint }, node);
      else {
        const tunnel = { number: lastNumber, local: underlay.a, remote: underlay.b };
        made.push(tunnels.connect(alias, endpoint, tunnel, false));
      }
      if (n >= count / 4) times.push(performance.now() - before);
      return kind === 'veth'
        ? { namespace: endpoint.namespace, name: endpoint.name }
        : { name: made.at(-1)?.name ?? '' };
    });
    work({ kind: 'delete', removals }, node);
    for (const { index } of made) tunnels.forget(index);
    tunnels.close();
    return median(times);
  });
}
