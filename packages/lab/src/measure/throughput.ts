// Throughput of one TCP stream between two members of a lab, by a process of ours in each.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { deadline } from '@nsm/api';
import { openNamespace } from '@nsm/netlink';

const program = fileURLToPath(new URL('./stream-main.js', import.meta.url));
/** Long enough for TCP to reach its pace, milliseconds. */
const durationMs = 500;
/** Milliseconds for both processes to start and end as well. */
const timeoutMs = 10_000;

interface Place {
  readonly namespace: string;
}

/**
 * Sends from one member to an address in another for half a second.
 * @returns bits per second that arrived; 0 when nothing did. @throws the signal's reason
 */
export async function throughput(
  from: Place,
  to: Place,
  address: string,
  signal: AbortSignal,
): Promise<number> {
  const abort = new AbortController();
  const either = deadline(timeoutMs, signal, abort.signal);
  try {
    const receiver = start(to, ['receive', address], either);
    const lines = createInterface(receiver.stdout)[Symbol.asyncIterator]();
    const port = (await lines.next()).value as string | undefined;
    if (port === undefined) return 0;
    const sender = start(from, ['send', address, port, String(durationMs)], either);
    const [status] = (await once(sender, 'close')) as [number | null];
    if (status !== 0) return 0;
    return Number((await lines.next()).value ?? 0);
  } finally {
    signal.throwIfAborted();
    abort.abort();
  }
}

function start({ namespace: name }: Place, args: readonly string[], signal: AbortSignal) {
  using namespace = openNamespace(`/run/netns/${name}`);
  const child = namespace.run(() =>
    spawn(process.execPath, [program, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      signal,
      killSignal: 'SIGKILL',
    }),
  );
  // An aborted signal kills it, and is an error besides; nothing having arrived says enough.
  child.on('error', () => undefined);
  return child;
}
