// Running programs inside namespaces: `ip` as the oracle, ping, and processes that are ended by id.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { type WaitOptions, waitFor } from './wait-for.js';

const execute = promisify(execFile);
const OUTPUT_LIMIT = 64 << 20;

/** Name of a namespace under /run/netns; undefined for the process's own. */
export type NamespaceName = string | undefined;

const inside = (namespace: NamespaceName, command: string, args: readonly string[]): [string, string[]] =>
  namespace === undefined ? [command, [...args]] : ['ip', ['netns', 'exec', namespace, command, ...args]];

/** Runs a command to its end and returns its standard output. @throws with its standard error when it fails */
export const run = async (
  namespace: NamespaceName,
  command: string,
  args: readonly string[],
): Promise<string> => {
  const [file, all] = inside(namespace, command, args);
  const { stdout } = await execute(file, all, { maxBuffer: OUTPUT_LIMIT });
  return stdout;
};

/** Objects of `ip -details -json ARGS`, which `tool` may replace by `bridge` or `tc`. */
export const ipJson = async (
  namespace: NamespaceName,
  args: readonly string[],
  tool: 'ip' | 'bridge' | 'tc' = 'ip',
  // The oracle's own shape, which each test knows best.
): Promise<Record<string, unknown>[]> => {
  const where = namespace === undefined ? [] : ['-n', namespace];
  const { stdout } = await execute(tool, [...where, '-details', '-statistics', '-json', ...args], {
    maxBuffer: OUTPUT_LIMIT,
  });
  const found: unknown = stdout.trim() === '' ? [] : JSON.parse(stdout);
  const list = Array.isArray(found) ? found : [found];
  // iproute2 prints an empty object for what a filter left out.
  return list.filter(
    (entry: unknown): entry is Record<string, unknown> =>
      typeof entry === 'object' && entry !== null && Object.keys(entry).length > 0,
  );
};

/** How to ping. */
export interface PingOptions {
  /** Bytes of payload; default 56. */
  readonly size?: number;
  /** Forbid fragmentation. Default false. */
  readonly df?: boolean;
  /** Default 1. */
  readonly count?: number;
  /** Seconds between packets; default 0.05. */
  readonly interval?: number;
  /** Seconds to wait for the last answer; default 3. */
  readonly deadline?: number;
}

/** What came of it. */
export interface PingResult {
  readonly sent: number;
  readonly received: number;
  readonly output: string;
}

/**
 * Pings an IPv4 or IPv6 address from within a namespace. Losses are in the result; it does not throw for them. Once there was an
 * answer, ping waits for the last ones no longer than two round trips, or one interval (ping(8), -W), which a busy machine exceeds:
 * when answers are missing at the end only, it pings again.
 */
export const ping = async (
  namespace: NamespaceName,
  address: string,
  options: PingOptions = {},
): Promise<PingResult> => {
  const first = await pingOnce(namespace, address, options);
  let result = first;
  for (let tries = 1; tries < 3 && isCutShort(result); tries++)
    result = await pingOnce(namespace, address, options);
  return result.received === result.sent ? result : first;
};

const pingOnce = async (
  namespace: NamespaceName,
  address: string,
  { count = 1, interval = 0.05, deadline = 3, size = 56, df = false }: PingOptions,
): Promise<PingResult> => {
  const args = ['-n', '-c', count, '-i', interval, '-W', deadline, '-s', size, ...(df ? ['-M', 'do'] : [])];
  try {
    return readPing(await run(namespace, 'ping', [...args.map(String), address]));
  } catch (error) {
    const failure = error as { stdout?: string; stderr?: string };
    return readPing(`${failure.stdout ?? ''}${failure.stderr ?? ''}`);
  }
};

/** What ping of iputils printed, taken apart. */
export const readPing = (output: string): PingResult => {
  const counts = /(\d+) packets transmitted, (\d+) received/.exec(output);
  return { sent: Number(counts?.[1] ?? 0), received: Number(counts?.[2] ?? 0), output };
};

/** Number of the last ping that was answered, from 1 on; 0 when none was. */
export const lastAnswered = (output: string): number =>
  Math.max(
    0,
    ...[...output.matchAll(/ bytes from \S+ icmp_seq=(\d+) /g)].map(([, number]) => Number(number)),
  );

/** Whether every ping up to the last that was answered was answered. */
const isCutShort = ({ sent, received, output }: PingResult): boolean =>
  received > 0 && received < sent && lastAnswered(output) === received;

/**
 * Pings until the first answer, however often packets get lost or the kernel says that there is no way.
 * @throws Error after the timeout
 */
export const firstAnswer = async (
  namespace: NamespaceName,
  address: string,
  { timeout = 15_000, what = `an answer of ${address}` }: WaitOptions = {},
): Promise<void> => {
  const args = ['-n', '-c', '1', '-i', '0.02', '-w', String(Math.ceil(timeout / 1000)), address];
  // With `-w` ping goes on until it has its answer; it ends when the network says that there is no way.
  const answered = (): Promise<boolean> =>
    run(namespace, 'ping', args).then(
      () => true,
      () => false,
    );
  await waitFor(answered, { timeout, what });
};

/** A process started by {@link spawnIn}. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Standard output and error so far. */
  readonly output: () => string;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  /** SIGTERM, after a second SIGKILL; resolves when it is gone. Harmless when repeated. */
  stop(): Promise<void>;
}

const processes = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of processes) child.kill('SIGKILL');
});

/**
 * Starts a process in a namespace. `await using` or `stop()` ends it; at the latest it ends with this process.
 * @param stdin `pipe`: the test writes to `child.stdin`. Default: `ignore`.
 */
export const spawnIn = async (
  namespace: NamespaceName,
  command: string,
  args: readonly string[] = [],
  stdin: 'ignore' | 'pipe' = 'ignore',
): Promise<Running> => {
  const [file, all] = inside(namespace, command, args);
  const child = spawn(file, all, { stdio: [stdin, 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const exited = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => {
      processes.delete(child);
      resolve(code ?? signal ?? 0);
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve).once('error', reject);
  });
  processes.add(child);
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 1_000);
    await exited;
    clearTimeout(timer);
  };
  return {
    pid: child.pid ?? 0,
    child,
    output: () => output,
    exited,
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
