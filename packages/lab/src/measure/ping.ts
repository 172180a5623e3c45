// Round-trip times by real ICMP: `ping` of iputils, run in a member's namespace.
import { spawn } from 'node:child_process';
import { isIPv6 } from 'node:net';
import { NsmError } from '@nsm/api';
import { openNamespace } from '@nsm/netlink';
import type { RoundTrip } from './report.js';

export interface PingOptions {
  /** Number of echo requests. The first one pays for address resolution; the median does not show it. */
  readonly count: number;
  /** Seconds between two of them. */
  readonly interval: number;
  /** Seconds to wait for the last answer. */
  readonly timeout: number;
}

const defaults: PingOptions = { count: 5, interval: 0.01, timeout: 1 };

/** Pings `address` from a namespace. No answer is a result; @throws NsmError `unavailable` without ping, `cancelled` */
export async function ping(
  from: { readonly name: string; readonly namespace: string },
  address: string,
  signal: AbortSignal,
  options: PingOptions = defaults,
): Promise<RoundTrip> {
  const what = `${address} from ${from.name}`;
  const { count, interval, timeout } = options;
  const argv = [isIPv6(address) ? '-6' : '-4', '-n', '-c', count, '-i', interval, '-W', timeout, address].map(
    String,
  );
  using namespace = openNamespace(`/run/netns/${from.namespace}`);
  const child = namespace.run(() =>
    spawn('ping', argv, { detached: true, stdio: ['ignore', 'pipe', 'ignore'], signal }),
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve());
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new NsmError(
              'unavailable',
              'ping is not installed; on Debian: apt-get install iputils-ping',
              error,
            )
          : NsmError.from(error),
      ),
    );
  });
  return { what, sent: count, ...readPing(output) };
}

/** What iputils' ping printed, taken apart. */
export function readPing(output: string): Pick<RoundTrip, 'microseconds' | 'received'> {
  const times = [...output.matchAll(/ time[=<]([\d.]+) ms/g)]
    .map((match) => Number(match[1]) * 1000)
    .sort((a, b) => a - b);
  const middle = times[Math.floor(times.length / 2)];
  return { microseconds: middle === undefined ? null : Math.round(middle), received: times.length };
}
