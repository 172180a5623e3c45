// What a manager does for operators without being asked: it keeps the history of its connections for the time after a restart, and
// sends packets as large as the MTU to other nodes.
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { admin, Channel, state } from '@nsm/api';
import { type Codec, RecordFile } from '@nsm/durable';
import type { Mesh } from './mesh.js';
import type { Usage } from './probe-usage.js';
import { median, rounded } from './statistics.js';
import type { System, Systems } from './system.js';

export interface UnaskedFigure {
  /** Bytes on the disk, and microseconds of processor time to write them, for a set-up. */
  readonly historyBytes: number;
  readonly historyCpuUs: number;
  /** Bytes of the packet; milliseconds, p50, until it is back; milliseconds of processor time of the manager that sends it. */
  readonly packetBytes: number;
  readonly packetMs: number;
  readonly packetCpuMs: number;
}

/** Connections whose histories are written, and how often; packets that are sent. */
const [connections, writings, packets] = [64, 50, 200];
/** No other part of the benchmark has names of connections from here. */
const firstName = 1_000_000;
/** Milliseconds after which a manager has written the histories of its connections. */
const writtenMs = 1500;

const codec: Codec<state.Past> = {
  // Reads what any version has written.
  schema: 1000,
  encode: (past) => toBinary(state.PastSchema, create(state.PastSchema, past)),
  decode: (bytes) => fromBinary(state.PastSchema, bytes),
};

export async function measureUnasked(mesh: Mesh, systems: Systems): Promise<UnaskedFigure> {
  return { ...(await measureHistory(mesh, systems.managers)), ...(await measurePacket(mesh, systems)) };
}

/** Writes once more, by itself, what manager a has written. */
async function measureHistory(
  mesh: Mesh,
  managers: System,
): Promise<Pick<UnaskedFigure, 'historyBytes' | 'historyCpuUs'>> {
  const names = Array.from({ length: connections }, (_, n) => firstName + n);
  for (const n of names) await managers.open('local', n, n);
  await new Promise((resolve) => setTimeout(resolve, writtenMs));
  const folder = join(mesh.folder, 'unasked');
  mkdirSync(folder);
  const written = join(mesh.folder, 'bench-a-state');
  const [file = ''] = readdirSync(written).filter((name) => /^histories\..*\.records$/.test(name));
  cpSync(join(written, file), join(folder, 'written'));
  for (const n of names) await managers.close('local', n);
  const kept = new RecordFile(join(folder, 'written'), codec);
  const all = [...kept.entries()];
  await kept.close();
  if (all.length < connections) throw new Error(`${all.length} histories were written, not ${connections}`);
  const again = new RecordFile(join(folder, 'again'), codec);
  const before = process.cpuUsage();
  for (let round = 0; round < writings; round++) await again.write(all);
  const { user, system } = process.cpuUsage(before);
  await again.close();
  const bytes = all.reduce((sum, [, past]) => sum + codec.encode(past).length, 0);
  return {
    historyBytes: Math.round(bytes / all.length),
    historyCpuUs: rounded((user + system) / (writings * all.length)),
  };
}

async function measurePacket(
  mesh: Mesh,
  { managers, managerA }: Systems,
): Promise<Pick<UnaskedFigure, 'packetBytes' | 'packetMs' | 'packetCpuMs'>> {
  const name = firstName + connections;
  await managers.open('remote', name, 0);
  using channel = new Channel(`unix:${join(mesh.runDir('bench-a'), 'admin.sock')}`);
  const client = channel.client(admin.Admin);
  const { connections: all } = await client.listConnections({});
  const connection = all.find(({ requestId }) => requestId === `bench-${name}`);
  const { id = '', crossConnect } = connection ?? {};
  const size = crossConnect?.client?.mtu ?? 0;
  const cpu = async (): Promise<number> => (await managerA.ask<Usage>({ collect: false })).cpu;
  const before = await cpu();
  const times: number[] = [];
  for (let n = 0; n < packets; n++) {
    const { through } = await client.pingConnection({ id, size });
    if (!through?.answered) throw new Error(`a packet of ${size} bytes did not come back`);
    times.push(through.roundTripMs);
  }
  const after = await cpu();
  await managers.close('remote', name);
  return {
    packetBytes: size,
    packetMs: median(times),
    packetCpuMs: rounded((after - before) / 1000 / packets),
  };
}
