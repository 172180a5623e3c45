// Nonsense on every socket: every gRPC method with random and damaged messages, raw garbage, half-closed HTTP/2. Nobody
// crashes, every call is answered, and the mesh works as before.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ping, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fuzzInputs, fuzzSeed, thorough } from './config.js';
import type { FuzzJob, FuzzResult } from './fuzz-worker.js';
import { leaksOf } from './leak-checker.js';
import { writeSection } from './reliability-page.js';
import { columns, destination, Stage } from './stage.js';

const program = fileURLToPath(new URL('./fuzz-worker.js', import.meta.url));
const local = columns[0]!;

describe.skipIf(!requireRoot('fuzz'))('nonsense on every socket', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start(local);
  });
  afterAll(async () => {
    await stage?.stop();
  });

  const jobFor = (): FuzzJob => {
    const { mesh, local: node, seats } = stage;
    const { runDir, address } = node;
    const pods = [...mesh.pods].flatMap(({ name, netns, inode }) => [name, netns, String(inode)]);
    return {
      seed: fuzzSeed,
      inputs: fuzzInputs,
      sockets: [
        ...['client.sock', 'endpoint.sock', 'admin.sock', 'forwarder.sock'].map((name) => ({
          name,
          address: join(runDir, name),
        })),
        { name: 'endpoint of the SDK', address: join(runDir, 'endpoints', `${seats[0]!.name}.sock`) },
        { name: 'manager', address: { host: address, port: 5001 } },
        { name: 'registry', address: { host: mesh.registry!.address, port: 5000 } },
      ],
      vocabulary: [
        ...pods,
        ...mesh.nodes.flatMap(({ name, tcp, address: ip }) => [name, tcp, ip]),
        ...['ping', 'pong', 'default', 'endpoint-1', 'endpoint-2', 'nsm0', '10.99.0.0/24', 'fd00::/64'],
        ...['request-1', 'request-2', join(runDir, 'endpoints', 'endpoint-1.sock'), '02:00:00:00:00:01'],
      ],
    };
  };

  const descriptors = (): Record<string, number> =>
    Object.fromEntries(processes().map(({ name, pid }) => [name, readdirSync(`/proc/${pid}/fd`).length]));

  const processes = (): { readonly name: string; readonly pid: number }[] => [
    ...stage.mesh.nodes.map(({ name, manager }) => ({ name, pid: manager.pid })),
    ...stage.mesh.nodes.map(({ name, forwarder }) => ({ name: `forwarder of ${name}`, pid: forwarder.pid })),
    ...stage.seats.map(({ name, process }) => ({ name, pid: process?.pid ?? 0 })),
  ];

  it(`answers ${fuzzInputs} inputs, and lives on`, { timeout: 3_600_000 }, async () => {
    // Threads and programs of the kernel that begin with the first connection, or with the first that ends, are no leak.
    await stage.connect();
    await stage.tidy();
    const before = { processes: processes(), descriptors: descriptors() };
    const child = spawn(
      'nsenter',
      [`--net=/run/netns/${stage.local.namespace.name}`, process.execPath, program],
      {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      },
    );
    child.send(jobFor());
    const [result] = (await once(child, 'message')) as [FuzzResult];
    const table = report(result);
    process.stdout.write(`${table}\n`);
    if (thorough) writeSection('fuzz', table);
    expect(result.unanswered).toEqual([]);
    expect(processes().filter(({ pid }) => !alive(pid))).toEqual([]);

    // Some of it was sense: endpoints were removed, connections made. The mesh itself works as before.
    for (const seat of stage.seats) await stage.unseat(seat, 'SIGTERM');
    await stage.tidy();
    const { client } = await stage.connect();
    expect(await ping(client.name, destination, { count: 3 })).toMatchObject({ received: 3 });
    expect(await leaksOf(stage.mesh)).toEqual([]);
    await stage.tidy();
    expect(await leaksOf(stage.mesh)).toEqual([]);
    let open = descriptors();
    await waitFor(
      () => {
        open = descriptors();
        return Object.entries(open).every(([name, count]) => count <= (before.descriptors[name] ?? 0) + 20);
      },
      { what: `descriptors ${JSON.stringify(before.descriptors)} again`, timeout: 20_000 },
    ).catch((error: Error) => {
      throw new Error(`${error.message}; there are ${JSON.stringify(open)}`);
    });
    expect(stage.mesh.nodes.flatMap((node) => node.errors())).toEqual([]);
  });
});

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

function report({ counts, unanswered }: FuzzResult): string {
  const sockets = Object.entries(counts);
  const results = [...new Set(sockets.flatMap(([, found]) => Object.keys(found)))].toSorted();
  const header = ['socket', ...results];
  const rows = sockets.map(([name, found]) => [name, ...results.map((result) => String(found[result] ?? 0))]);
  const rule = header.map((_, index) => (index === 0 ? '---' : '--:'));
  const table = [header, rule, ...rows].map((words) => `| ${words.join(' | ')} |`).join('\n');
  return `Seed ${fuzzSeed}, ${fuzzInputs} inputs, ${unanswered.length} calls unanswered.\n\n${table}`;
}
