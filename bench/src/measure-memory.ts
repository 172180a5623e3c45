// What one connection costs a manager in memory: a fresh manager, measured before and after many.
import { closedLoop } from './closed-loop.js';
import { type Mesh, services } from './mesh.js';
import type { Plan } from './options.js';
import { settled } from './probe-usage.js';
import { clientOf } from './system.js';

export interface MemoryFigure {
  readonly connections: number;
  /** Bytes for each connection. */
  readonly rssPerConnection: number;
  readonly heapPerConnection: number;
  /** Bytes of the process without and with the connections. */
  readonly rssBefore: number;
  readonly rssAfter: number;
  /** Bytes of the process after they have been closed again. */
  readonly rssClosed: number;
}

const manager = 'bench-memory';
/** Connections opened and closed first, so that what is made once is not charged to the first of many. */
const warmUp = 100;

export async function measureMemory(
  mesh: Mesh,
  { held }: Plan,
  say: (text: string) => void,
): Promise<MemoryFigure> {
  say(`memory of ${held} connections`);
  const program = await mesh.startManager(manager, 'a', 5003, '');
  const endpoint = await mesh.startEndpoint('bench-endpoint-memory', manager, 'a', services.local);
  const client = clientOf(mesh, manager, services);
  const open = (count: number, from: number) =>
    closedLoop(count, 16, (n) => client.open('local', from + n, n));
  const close = (count: number, from: number) =>
    closedLoop(count, count, (n) => client.close('local', from + n));

  await open(warmUp, 0);
  await close(warmUp, 0);
  const before = await settled(program);
  await open(held, warmUp);
  const after = await settled(program);
  await close(held, warmUp);
  const closed = await settled(program);
  await endpoint.stop();
  await program.stop();
  return {
    connections: held,
    rssPerConnection: Math.round((after.rss - before.rss) / held),
    heapPerConnection: Math.round((after.heapUsed - before.heapUsed) / held),
    rssBefore: before.rss,
    rssAfter: after.rss,
    rssClosed: closed.rss,
  };
}
