// A lock for each network namespace, released by the kernel whatever becomes of its holder.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { descriptorOf } from './descriptor-of.js';
import { NsmError } from './errors.js';
import { systemCodeOf } from './system-code.js';

/**
 * Takes a name in this process's network namespace: abstract unix sockets belong to the namespace they are bound in
 * (unix(7)). Returns what releases it.
 * @param prepare prepares the descriptor of the listening socket: every process of the namespace can connect to it.
 * @throws NsmError `conflict` when a living process holds it; `what` says of it what it is.
 */
export async function takeNamespaceLock(
  name: string,
  what: string,
  prepare?: (fd: number) => void,
): Promise<() => void> {
  const server = createServer((socket) => socket.destroy());
  server.once('listening', () => prepare?.(descriptorOf(server)));
  server.listen(`\0${name}`);
  try {
    await once(server, 'listening');
  } catch (thrown) {
    if (systemCodeOf(thrown) !== 'EADDRINUSE') throw NsmError.from(thrown);
    throw new NsmError(
      'conflict',
      `${what} runs in this network namespace already; it can have only one`,
      thrown,
    );
  }
  server.unref();
  return () => server.close();
}
