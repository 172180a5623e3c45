// What packets get through a connection, beside the same kernel device made by hand: throughput and round trips.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Cleanup } from './cleanup.js';
import { type Kind, type Mesh, services } from './mesh.js';
import type { Plan } from './options.js';
import type { Pod } from './pod.js';
import { median, rounded } from './statistics.js';
import { clientOf } from './system.js';

/** One quality of a connection beside that of a bare wire of the same kind; medians of rounds taken by turns. */
export interface DataplaneFigure {
  readonly kind: Kind;
  readonly measures: 'throughput' | 'round-trip';
  /** Throughput in Gbit/s, round trips in microseconds. */
  readonly connection: number;
  readonly bare: number;
  /** The connection's by the bare wire's: the median of the rounds' own ratios, in which slow changes of load cancel. */
  readonly ratio: number;
  readonly rounds: number;
}

/** Where packets go from and to. */
interface Path {
  readonly from: Pod;
  readonly to: Pod;
  readonly address: string;
}

export async function measureDataplane(
  mesh: Mesh,
  plan: Plan,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<DataplaneFigure[]> {
  const figures: DataplaneFigure[] = [];
  const bare = { local: bareVeth(mesh), remote: bareVxlan(mesh) };
  const client = clientOf(mesh, 'bench-a');
  for (const kind of ['local', 'remote'] as const) {
    const [from] = mesh.pods;
    if (!from) continue;
    const n = kind === 'local' ? 900_000_001 : 900_000_002;
    const to = mesh.endpoints[kind === 'local' ? 'a' : 'b'];
    const connection: Path = { from, to, address: await client.open(kind, n, 0) };
    const both = { connection, bare: bare[kind] };
    say(`round trips through ${services[kind]} and a bare wire`);
    figures.push(
      await byTurns(kind, 'round-trip', both, plan.streamRounds, (path) =>
        roundTrip(path, plan.pings, cleanup),
      ),
    );
    say(`throughput of ${services[kind]} and a bare wire`);
    figures.push(
      await byTurns(kind, 'throughput', both, plan.streamRounds, (path) =>
        stream(path, plan.streamSeconds, cleanup),
      ),
    );
    await client.close(kind, n);
  }
  return figures;
}

async function byTurns(
  kind: Kind,
  measures: DataplaneFigure['measures'],
  paths: { readonly connection: Path; readonly bare: Path },
  rounds: number,
  measure: (path: Path) => Promise<number>,
): Promise<DataplaneFigure> {
  const taken = { connection: [] as number[], bare: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    // Whoever comes second finds warmer caches: they take turns in that too.
    const order = round % 2 === 0 ? (['connection', 'bare'] as const) : (['bare', 'connection'] as const);
    for (const which of order) taken[which].push(await measure(paths[which]));
  }
  const ratios = taken.connection.map((value, round) => value / (taken.bare[round] ?? 0));
  const connection = rounded(median(taken.connection));
  const bare = rounded(median(taken.bare));
  return { kind, measures, connection, bare, ratio: rounded(median(ratios)), rounds };
}

function bareVeth({ wires: { a, b } }: Mesh): Path {
  a.route.addLink({
    kind: 'veth',
    name: 'bare0',
    mtu: 1500,
    peer: { name: 'bare0', namespace: b.namespace, mtu: 1500 },
  });
  giveAddresses(a, b, 'bare0', '198.51.100.');
  return { from: a, to: b, address: '198.51.100.2' };
}

function bareVxlan({ wires: { a, b }, nodes, underlay }: Mesh): Path {
  const make = (pod: Pod, node: Pod, local: string, remote: string): void =>
    node.route.addLink({
      kind: 'vxlan',
      name: 'bare1',
      namespace: pod.namespace,
      mtu: 1450,
      id: 0xff_ffff,
      local,
      remote,
      port: 4789,
      learning: false,
      // As the managers' devices: those that share a UDP port must agree on it.
      zeroChecksum6Rx: true,
    });
  make(a, nodes.a, underlay.a, underlay.b);
  make(b, nodes.b, underlay.b, underlay.a);
  giveAddresses(a, b, 'bare1', '192.0.2.');
  return { from: a, to: b, address: '192.0.2.2' };
}

function giveAddresses(a: Pod, b: Pod, link: string, prefix: string): void {
  for (const [index, { route }] of [a, b].entries()) {
    const device = route.link(link)?.index ?? 0;
    route.addAddress(device, { address: `${prefix}${index + 1}/24`, nodad: true });
    route.setLink(device, { up: true });
  }
}

/** Gbit/s that one TCP stream delivers. */
async function stream({ from, to, address }: Path, seconds: number, cleanup: Cleanup): Promise<number> {
  const server = to.spawn('iperf3', ['--server', '--one-off', '--bind', address, '--forceflush'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = cleanup.add(() => server.kill('SIGKILL'));
  try {
    await said(server, 'listening');
    const output = await finished(
      from.spawn('iperf3', ['--client', address, '--time', String(seconds), '--json'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
      cleanup,
    );
    const { end } = JSON.parse(output) as { end: { sum_received: { bits_per_second: number } } };
    return end.sum_received.bits_per_second / 1e9;
  } finally {
    kill();
  }
}

/** Microseconds: pings one after the other, the next sent when the last is answered, by the time all took. */
async function roundTrip({ from, address }: Path, pings: number, cleanup: Cleanup): Promise<number> {
  const child = from.spawn('ping', ['-n', '-q', '-f', '-c', String(pings), address], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = await finished(child, cleanup);
  const [, received = '0', milliseconds = '0'] = /(\d+) received,.* time (\d+)ms/.exec(output) ?? [];
  if (Number(received) !== pings) throw new Error(`${address} answered ${received} of ${pings} pings`);
  return (1000 * Number(milliseconds)) / pings;
}

/** Resolves when the program has printed the text; what it prints later is read and dropped. */
async function said(child: ChildProcess, text: string): Promise<void> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (output.includes(text)) resolve();
    });
    child.stderr?.resume();
    child.once('error', reject);
    child.once('exit', (status) => reject(new Error(`${child.spawnargs.join(' ')} ended with ${status}`)));
  });
}

async function finished(child: ChildProcess, cleanup: Cleanup): Promise<string> {
  const kill = cleanup.add(() => child.kill('SIGKILL'));
  let output = '';
  for (const pipe of [child.stdout, child.stderr])
    pipe?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  try {
    // Rejects when the program cannot be started.
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) throw new Error(`${child.spawnargs.join(' ')} failed: ${output.trim()}`);
    return output;
  } finally {
    kill();
  }
}
