// Connections come and go for a long time, while endpoints and managers are killed: what the surviving processes hold stays flat.
import { setTimeout as sleep } from 'node:timers/promises';
import { ipJson, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { soakMinutes, soakSeed, thorough } from './config.js';
import { leaksOf } from './leak-checker.js';
import { netlinkSocketsOf, type ProcessSample, sampleProcess } from './process-sample.js';
import { Random } from './random.js';
import { writeSection } from './reliability-page.js';
import { services, World } from './world.js';

/** What one round leaves, when every connection is closed. */
interface Round {
  readonly minute: number;
  readonly requests: number;
  readonly kills: number;
  readonly manager: ProcessSample;
  readonly registry: ProcessSample;
  /** In all namespaces. */
  readonly devices: number;
}

const rounds = 10;
const roundMs = (soakMinutes * 60_000) / rounds;
/** Clients that ask and leave at the same time. */
const lanes = 8;
/** Milliseconds from one kill to the next. */
const killEvery = 1_500;
/** What may come and go between two looks: connections of gRPC, timers, buffers. Memory in MiB. */
const tolerance: ProcessSample = { memory: 40, descriptors: 12, netlinkSockets: 3, threads: 4 };

describe.skipIf(!thorough || !requireRoot('soak'))('a mesh under churn', () => {
  let world: World;
  const random = new Random(soakSeed);
  const history: Round[] = [];
  const leaks = new Set<string>();

  beforeAll(async () => {
    world = await World.start();
  }, 60_000);
  afterAll(async () => {
    const table = [report(history), ...[...leaks].map((leak) => `Left behind: ${leak}.`)].join('\n\n');
    process.stdout.write(`\n${table}\n`);
    if (history.length > 0) writeSection('soak', table);
    await world?.stop();
  }, 60_000);

  /** Asks for connections and closes them until the time is over; refusals are part of it, while things are broken. */
  const churn = async (until: number): Promise<number> => {
    let requests = 0;
    const lane = async (index: number): Promise<void> => {
      // Each lane has clients of its own: what one asks for no other closes.
      const own = world.clients.filter((_, client) => client % lanes === index);
      while (Date.now() < until) {
        const [client, service] = [random.of(own), random.of(services)];
        await world.request(client, service, 1 + random.below(2)).catch(() => undefined);
        requests++;
        if (random.chance(0.7)) await world.close(client, service).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
    return requests;
  };

  /** Kills endpoints and managers, and brings them back; those of the first node are spared: they are looked at. */
  const breakThings = async (until: number): Promise<number> => {
    let kills = 0;
    while (Date.now() < until) {
      if (random.chance(0.6)) {
        const endpoint = random.of(world.endpoints);
        await world.killEndpoint(endpoint);
        await world.startEndpoint(endpoint);
      } else await random.of(world.mesh.nodes.slice(1)).restart(random.of(['SIGKILL', 'SIGTERM']));
      kills++;
      await sleep(Math.min(killEvery, until - Date.now()));
    }
    return kills;
  };

  const look = async (begin: number, requests: number, kills: number): Promise<Round> => {
    const namespaces = [
      ...world.mesh.nodes.map(({ namespace }) => namespace.name),
      ...[...world.mesh.pods].map(({ name }) => name),
    ];
    const netlink = await netlinkSocketsOf([...namespaces, world.mesh.registry!.namespace.name]);
    const links = await Promise.all(namespaces.map((name) => ipJson(name, ['link'])));
    return {
      minute: (Date.now() - begin) / 60_000,
      requests,
      kills,
      manager: sampleProcess(world.mesh.a.manager.pid, netlink),
      registry: sampleProcess(world.mesh.registry!.pid, netlink),
      devices: links.flat().length,
    };
  };

  it(`holds after ${soakMinutes} minutes what it held in the beginning`, {
    timeout: soakMinutes * 120_000 + 300_000,
  }, async () => {
    const begin = Date.now();
    for (let round = 0; round < rounds; round++) {
      const until = Date.now() + roundMs;
      const [requests, kills] = await Promise.all([churn(until), breakThings(until)]);
      await world.tidy();
      for (const leak of await leaksOf(world.mesh, 20_000, leaks)) leaks.add(leak);
      // What is left over in a client's pod would be in its way.
      for (const client of world.clients)
        if ([...leaks].some((leak) => leak.startsWith(`${client.pod.name}:`))) world.replacePod(client);
      history.push(await look(begin, requests, kills));
    }
    // The first rounds fill pools and caches.
    const early = history[Math.floor(rounds / 3)]!;
    const late = history.at(-1)!;
    for (const part of ['manager', 'registry'] as const)
      for (const [what, most] of Object.entries(tolerance) as [keyof ProcessSample, number][])
        expect(late[part][what], `${what} of the ${part}`).toBeLessThanOrEqual(early[part][what] + most);
    expect([...leaks]).toEqual([]);
    if (leaks.size === 0) expect(late.devices).toBe(early.devices);
  });
});

function report(history: readonly Round[]): string {
  const sampleHeader = (part: string): string[] => [
    `${part}: MiB`,
    'descriptors',
    'netlink sockets',
    'threads',
  ];
  const sample = ({ memory, descriptors, netlinkSockets, threads }: ProcessSample): number[] => [
    memory,
    descriptors,
    netlinkSockets,
    threads,
  ];
  const header = [
    'minute',
    'requests',
    'kills',
    ...sampleHeader('manager'),
    ...sampleHeader('registry'),
    'devices',
  ];
  const rows = history.map(({ minute, requests, kills, manager, registry, devices }) =>
    [minute.toFixed(1), requests, kills, ...sample(manager), ...sample(registry), devices].map(String),
  );
  return [header, header.map(() => '--:'), ...rows].map((words) => `| ${words.join(' | ')} |`).join('\n');
}
