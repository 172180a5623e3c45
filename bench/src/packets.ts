// Packets between two pods, measured: throughput by iperf3, round trips by ping; paths that are compared take turns.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Cleanup } from './cleanup.js';
import type { Plan } from './options.js';
import type { Pod } from './pod.js';

export type Measure = 'throughput' | 'round-trip';

/** Where packets go from and to. */
export interface Path {
  readonly from: Pod;
  readonly to: Pod;
  readonly address: string;
}

/**
 * What each path gives in each round: Gbit/s, or microseconds.
 * @param paths by name. The second path finds warmer caches: paths take turns in that too.
 */
export async function takeTurns<Name extends string>(
  measures: Measure,
  paths: Readonly<Record<Name, Path>>,
  rounds: number,
  plan: Plan,
  cleanup: Cleanup,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(paths) as Name[];
  const taken = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round++)
    for (const [turn] of names.entries()) {
      const name = names[(turn + round) % names.length];
      if (name === undefined) continue;
      const value =
        measures === 'throughput'
          ? await stream(paths[name], plan.streamSeconds, cleanup)
          : await roundTrip(paths[name], plan.pings, cleanup);
      taken[name].push(value);
    }
  return taken;
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
