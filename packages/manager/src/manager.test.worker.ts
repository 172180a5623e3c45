// A whole manager in a worker thread, for tests: the thread is born in a node's network namespace and stays there.
import { type MessagePort, workerData } from 'node:worker_threads';
import { NsmError } from '@nsm/api';
import { pino } from 'pino';
import { Manager, type ManagerOptions } from './index.js';

export interface TestManagerData {
  readonly port: MessagePort;
  readonly options: Omit<ManagerOptions, 'logger' | 'faults'>;
  readonly logFile: string;
}

/** What a test tells its manager: which step is to fail, from now on. */
export interface FailAt {
  readonly failAt: string | undefined;
}

const { port, options, logFile } = workerData as TestManagerData;
let failAt: string | undefined;
const manager = new Manager({
  ...options,
  logger: pino(pino.destination({ dest: logFile, sync: true })),
  faults: (step) => {
    port.postMessage({ step });
    if (step === failAt) throw new NsmError('dataplane', `injected after "${step}"`);
  },
});
port.on('message', (message: FailAt | 'stop') => {
  if (message === 'stop') {
    void manager.stop().then(() => port.close());
    return;
  }
  ({ failAt } = message);
  port.postMessage({ failing: failAt });
});
await manager.start();
port.postMessage('ready');
