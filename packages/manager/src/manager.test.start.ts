// Starts a whole manager in a thread of the test, which can have each of its steps fail.
import { once } from 'node:events';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { type TestNamespace, thorough } from '@nsm/testkit';
import { type MendPauses, mendPauses as shippedPauses } from './connection/mend-pace.js';
import type { TestManagerData } from './manager.test.worker.js';
import type { ManagerOptions } from './manager-options.js';

/** Options of a test's managers that differ from test to test. */
export type MoreOptions = Pick<ManagerOptions, 'mendPauses' | 'orphanedMs' | 'probeIntervalMs'>;

/** The shipped pauses, or a tenth of them: what is mended less and less often is so with either. */
const part = thorough ? 1 : 10;
export const mendPauses: MendPauses = {
  firstMs: shippedPauses.firstMs / part,
  longestMs: shippedPauses.longestMs / part,
  settledMs: shippedPauses.settledMs / part,
  holdsMs: shippedPauses.holdsMs / part,
};

export interface TestManager {
  readonly runDir: string;
  readonly steps: string[];
  failAt(step: string | undefined): Promise<void>;
  stop(): Promise<void>;
}

/** HOST:PORT of the manager that has an address. */
export function hostPort(address: string): string {
  return address.includes(':') ? `[${address}]:5001` : `${address}:5001`;
}

export interface ManagerStart {
  /** Folder of the mesh, with the authority and all managers' state. */
  readonly folder: string;
  readonly name: string;
  readonly node: TestNamespace;
  /** IP address of the node in the underlay. */
  readonly address: string;
  readonly registry: string;
  readonly more: MoreOptions;
}

export async function startManager({
  folder,
  name,
  node,
  address,
  registry,
  more,
}: ManagerStart): Promise<TestManager> {
  const { port1, port2 } = new MessageChannel();
  const runDir = join(folder, name);
  const data: TestManagerData = {
    port: port2,
    logFile: join(folder, `${name}.log`),
    pkiDir: join(folder, 'pki'),
    options: {
      name,
      runDir,
      stateDir: join(folder, `${name}-state`),
      listen: hostPort(address),
      advertise: hostPort(address),
      registry,
      tunnels: [],
      prefixes: [{ cidr: '10.60.0.0/16' }, { cidr: 'fd60::/48' }],
      // The test's own process speaks for all pods.
      allowedUids: [process.getuid?.() ?? 0],
      ...more,
    },
  };
  let worker: Worker | undefined;
  node.namespace.run(() => {
    worker = new Worker(new URL('./manager.test.worker.js', import.meta.url), {
      workerData: data,
      transferList: [port2],
    });
  });
  const steps: string[] = [];
  let failed = (_error: Error): void => undefined;
  worker?.on('error', (error) => failed(error));
  const answers = (wanted: (message: unknown) => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      failed = reject;
      const listener = (message: unknown): void => {
        if (!wanted(message)) return;
        port1.off('message', listener);
        resolve();
      };
      port1.on('message', listener);
    });
  port1.on('message', (message: { step?: string }) => {
    if (message.step !== undefined) steps.push(message.step);
  });
  await answers((message) => message === 'ready');
  return {
    runDir,
    steps,
    async failAt(step) {
      const answered = answers(
        (message) => typeof message === 'object' && message !== null && 'failing' in message,
      );
      port1.postMessage({ failAt: step });
      await answered;
    },
    async stop() {
      const exited = once(worker as Worker, 'exit');
      port1.postMessage('stop');
      await exited;
      port1.close();
    },
  };
}
