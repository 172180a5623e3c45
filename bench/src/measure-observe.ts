// What it costs to be observed: set-ups by a manager with metrics, their reading, and traces, and by one without, in turns; and what
// every manager does for operators.
import { fileURLToPath } from 'node:url';
import { measureUnasked, type UnaskedFigure } from './measure-unasked.js';
import { type Mesh, services } from './mesh.js';
import type { Plan } from './options.js';
import { settled, type Usage } from './probe-usage.js';
import { median, rounded } from './statistics.js';
import { clientOf, type Systems } from './system.js';

export interface ObserveFigure extends UnaskedFigure {
  /** Set-ups of each of both. */
  readonly setUps: number;
  /** Milliseconds, p50. */
  readonly observedMs: number;
  readonly plainMs: number;
  /** p50 by p50. */
  readonly ratio: number;
  /** Milliseconds of processor time of the manager for a set-up and its closing. */
  readonly observedCpuMs: number;
  readonly plainCpuMs: number;
  /** Bytes, after the same work. */
  readonly observedRss: number;
  readonly plainRss: number;
}

const sink = fileURLToPath(new URL('./sink-main.js', import.meta.url));
const metrics = '127.0.0.1:9464';
const collector = 4318;
/** Milliseconds in which what is gathered is sent, and memory comes to rest. */
const restMs = 3000;

export async function measureObserve(
  mesh: Mesh,
  systems: Systems,
  { pods, rounds, warmUp }: Plan,
  say: (text: string) => void,
): Promise<ObserveFigure> {
  say('the cost of metrics and traces');
  const url = `http://127.0.0.1:${collector}`;
  const sinking = mesh.start(mesh.nodes.a, 'bench-sink', sink, {
    collect: collector,
    read: `http://${metrics}/metrics`,
  });
  await sinking.ready();
  const programs = [
    await mesh.startManager('bench-plain', 'a', 5007, ''),
    await mesh.startManager('bench-observed', 'a', 5008, '', [
      ...['--metrics-listen', metrics, '--otlp-endpoint', url],
    ]),
  ] as const;
  const names = ['bench-plain', 'bench-observed'] as const;
  const endpoints = [];
  for (const name of names)
    endpoints.push(await mesh.startEndpoint(`${name}-endpoint`, name, 'a', services.local));
  const clients = names.map((name) => clientOf(mesh, name, services));
  const taken: [number[], number[]] = [[], []];
  const count = warmUp + 2 * rounds * pods;
  const cpu = async (): Promise<[number, number]> => {
    const [plain, observed] = await Promise.all(
      programs.map(async (program) => (await program.ask<Usage>({ collect: false })).cpu),
    );
    return [plain ?? 0, observed ?? 0];
  };
  let before: readonly [number, number] = [0, 0];
  for (let n = 0; n < count; n++) {
    if (n === warmUp) before = await cpu();
    // Each is the first of both as often as the other.
    for (const which of n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const began = performance.now();
      await clients[which]?.open('local', n, n);
      if (n >= warmUp) taken[which].push(performance.now() - began);
    }
    // Closed together, so that neither pays for the other.
    if (n % 32 === 31 || n === count - 1)
      await Promise.all(
        clients.flatMap((client) =>
          Array.from({ length: (n % 32) + 1 }, (_, back) => client.close('local', n - back)),
        ),
      );
  }
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const after = await cpu();
  const cpuMs = (which: 0 | 1): number => rounded((after[which] - before[which]) / 1000 / taken[0].length);
  const [plain, observed] = [await settled(programs[0]), await settled(programs[1])];
  for (const program of [...endpoints, ...programs, sinking]) await program.stop();
  const [plainMs, observedMs] = [median(taken[0]), median(taken[1])];
  return {
    setUps: taken[0].length,
    plainMs,
    observedMs,
    ratio: rounded(observedMs / plainMs),
    plainCpuMs: cpuMs(0),
    observedCpuMs: cpuMs(1),
    plainRss: plain.rss,
    observedRss: observed.rss,
    ...(await measureUnasked(mesh, systems)),
  };
}
