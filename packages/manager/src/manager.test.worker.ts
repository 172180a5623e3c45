// A whole manager in a worker thread, for tests: the thread is born in a node's network namespace and stays there.
import { type MessagePort, workerData } from 'node:worker_threads';
import { NsmError } from '@nsm/api';
import { openCredentials } from '@nsm/pki';
import { pino } from 'pino';
import { Manager, type ManagerOptions } from './index.js';

export interface TestManagerData {
  readonly port: MessagePort;
  readonly options: Omit<ManagerOptions, 'logger' | 'faults' | 'credentials'>;
  /** Folder of the mesh's authority. */
  readonly pkiDir: string;
  readonly logFile: string;
}

/** What a test tells its manager: which step is to fail, from now on. */
export interface FailAt {
  readonly failAt: string | undefined;
}

const { port, options, logFile, pkiDir } = workerData as TestManagerData;
let failAt: string | undefined;
const logger = pino(pino.destination({ dest: logFile, sync: true }));
const { name, stateDir } = options;
const credentials = await openCredentials({ pkiDir, stateDir }, { kind: 'manager', name }, logger);
const manager = new Manager({
  ...options,
  ...(credentials ? { credentials } : {}),
  logger,
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
