// Starts a forwarder in a worker thread of this process.
import { once } from 'node:events';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { forwarder as fw, NsmError, type ServiceClient } from '@nsm/api';
import type { NodeForwarderOptions } from '../node-forwarder.js';
import { whyDenied } from '../privileges.js';
import type { ForwarderStart } from './forwarder-worker.js';
import { loadForwarderThread } from './load-forwarder-thread.js';
import { PortClient } from './port-rpc.js';

export interface ForwarderThread {
  readonly client: ServiceClient<typeof fw.Forwarder>;
  stop(): Promise<void>;
}

/**
 * Resolves when the forwarder answers. A thread that ends later without being stopped is an uncaught exception in the thread that
 * started it: without its forwarder a manager takes intact connections for lost, and a restart of the process loses no packet.
 * @param worker that has been loading meanwhile.
 * @throws NsmError `privilege` or `dataplane` when it cannot start.
 */
export async function startForwarderThread(
  options: NodeForwarderOptions = {},
  worker: Worker = loadForwarderThread(),
): Promise<ForwarderThread> {
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ port: port2, options } satisfies ForwarderStart, [port2]);
  const ended = new Promise<NsmError>((resolve) => {
    worker.once('error', (error) => resolve(NsmError.from(error)));
    worker.once('exit', (code) => resolve(new NsmError('dataplane', `its thread ended with ${code}`)));
  });
  await Promise.race([
    once(port1, 'message'),
    ended.then((error) => {
      throw cannotStart(error);
    }),
  ]);
  const rpc = new PortClient(port1);
  let stopping = false;
  void ended.then((cause) => {
    const message = 'the forwarder has died';
    rpc.close(new NsmError('dataplane', `${message}: ${cause.message}`));
    // The log appends what the cause says.
    if (!stopping) throw new NsmError('dataplane', message, cause);
  });
  return {
    client: rpc.client(fw.Forwarder),
    async stop(): Promise<void> {
      if (stopping) return;
      stopping = true;
      const exited = once(worker, 'exit');
      port1.close();
      await exited;
    },
  };
}

/** An error keeps nothing but its text on the way out of a thread; a kernel's begins with its name. */
function cannotStart(error: NsmError): NsmError {
  if (error.kind === 'exhausted')
    return new NsmError(error.kind, `the forwarder cannot start: ${error.message}`, error);
  if (!/\b(EPERM|EACCES|lacks CAP_\w+)\b/.test(error.message))
    return new NsmError('dataplane', `the forwarder cannot start: ${error.message}`, error);
  return new NsmError(
    'privilege',
    `${whyDenied()}: run the manager as root, or \`nsm forwarder\` as root beside it and the manager with --forwarder external`,
    error,
  );
}
