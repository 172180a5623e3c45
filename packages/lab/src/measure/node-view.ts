// What a node's manager says of itself, over its admin.sock.
import { existsSync, watch } from 'node:fs';
import { abbreviatedList, admin, Channel, NsmError } from '@nsm/api';
import type { EndpointPlan, ManagerPlan } from '../plan/plan.js';

/** Connections of a manager, or why it does not tell. */
export interface Found {
  readonly connections: readonly admin.Connection[];
  readonly error: string;
}

export class NodeView implements Disposable {
  readonly manager: ManagerPlan;
  readonly #channel: Channel;

  constructor(manager: ManagerPlan) {
    this.manager = manager;
    this.#channel = new Channel(`unix:${manager.runDir}/admin.sock`);
  }

  /** Waits until the manager answers and its registry with it. @throws NsmError `deadline` or `cancelled` */
  async ready(signal: AbortSignal): Promise<void> {
    await appears(`${this.manager.runDir}/admin.sock`, signal);
    const client = this.#channel.client(admin.Admin);
    await until(signal, `${this.manager.name} to reach its registry`, async () => {
      const status = await client.getManager({}, { signal }).catch(notYet);
      return status?.registrySynced === true;
    });
  }

  /** Waits until this manager would choose each of the endpoints. @throws NsmError `deadline` or `cancelled` */
  async knows(endpoints: readonly EndpointPlan[], signal: AbortSignal): Promise<void> {
    const client = this.#channel.client(admin.Admin);
    const missing = new Set(endpoints);
    await until(
      signal,
      () => `${this.manager.name} to know ${abbreviatedList([...missing].map(({ provider }) => provider))}`,
      async () => {
        const reply = await client.listEndpoints({}, { signal });
        for (const wanted of missing)
          for (const { endpoint, unavailable } of reply.endpoints)
            if (
              unavailable === '' &&
              endpoint?.nseProviderName === wanted.provider &&
              endpoint.networkServiceName === wanted.service
            )
              missing.delete(wanted);
        return missing.size === 0;
      },
    );
  }

  async connections(signal: AbortSignal): Promise<readonly admin.Connection[]> {
    const reply = await this.#channel.client(admin.Admin).listConnections({}, { signal, timeoutMs: 5000 });
    return reply.connections;
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

// No watch tells of these changes; a call over a unix socket costs less than a millisecond.
const askAgainAfterMs = 10;

async function until(
  signal: AbortSignal,
  what: string | (() => string),
  condition: () => Promise<boolean>,
): Promise<void> {
  try {
    while (!(await condition())) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, askAgainAfterMs));
    }
  } catch (thrown) {
    // A call that the deadline cut short says only that it was cut short.
    if (!signal.aborted) throw thrown;
    const reason = NsmError.from(signal.reason);
    const waited = typeof what === 'string' ? what : what();
    throw reason.kind === 'deadline'
      ? new NsmError('deadline', `waited in vain for ${waited}`, thrown)
      : reason;
  }
}

function notYet(thrown: unknown): undefined {
  const error = NsmError.from(thrown);
  if (error.kind !== 'unavailable') throw error;
}

async function appears(path: string, signal: AbortSignal): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf('/'));
  const stop = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const abandon = (): void => {
        const reason = NsmError.from(signal.reason);
        reject(
          reason.kind === 'deadline'
            ? new NsmError('deadline', `waited in vain for ${path}`, reason)
            : reason,
        );
      };
      signal.addEventListener('abort', abandon, { signal: stop.signal });
      watch(folder, { signal: stop.signal }, () => existsSync(path) && resolve());
      if (signal.aborted) abandon();
      // The watch stands: whatever appears from now on is told.
      if (existsSync(path)) resolve();
    });
  } finally {
    stop.abort();
  }
}
