// Starts a forwarder in a worker thread of this process.
import { once } from 'node:events';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { forwarder as fw, NsmError, type ServiceClient } from '@nsm/api';
import type { NodeForwarderOptions } from '../node-forwarder.js';
import type { ForwarderStart } from './forwarder-worker.js';
import { loadForwarderThread } from './load-forwarder-thread.js';
import { PortClient } from './port-rpc.js';

export interface ForwarderThread {
  readonly client: ServiceClient<typeof fw.Forwarder>;
  stop(): Promise<void>;
}

/**
 * Resolves when the forwarder answers.
 * @param onDeath called when the thread ends without being stopped.
 * @param worker that has been loading meanwhile.
 * @throws NsmError `privilege` or `dataplane` when it cannot start.
 */
export async function startForwarderThread(
  onDeath: (error: NsmError) => void,
  options: NodeForwarderOptions = {},
  worker: Worker = loadForwarderThread(),
): Promise<ForwarderThread> {
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ port: port2, options } satisfies ForwarderStart, [port2]);
  let stopping = false;
  await new Promise<void>((resolve, reject) => {
    port1.once('message', () => resolve());
    worker.once('error', (error) => reject(cannotStart(NsmError.from(error))));
  });
  const rpc = new PortClient(port1);
  const fail = (error: NsmError): void => {
    rpc.close(error);
    if (!stopping) onDeath(error);
  };
  worker.on('error', (error) => fail(NsmError.from(error)));
  worker.on('exit', (code) => fail(new NsmError('dataplane', `the forwarder's thread ended with ${code}`)));
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
  if (!/\b(EPERM|EACCES)\b/.test(error.message))
    return new NsmError('dataplane', `the forwarder cannot start: ${error.message}`, error);
  return new NsmError(
    'privilege',
    'the forwarder needs CAP_NET_ADMIN and CAP_SYS_ADMIN: run the manager as root, or `nsm forwarder` as root beside it ' +
      `and the manager with --forwarder external (${error.message})`,
    error,
  );
}
