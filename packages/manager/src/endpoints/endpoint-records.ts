// The records of advertised endpoints on the disk, and a line in the log for each socket.
import type { Logger } from 'pino';
import { forEachLimited } from '../limited-concurrency.js';
import type { Store } from '../state/store.js';
import type { Advertised } from './admit-advertisement.js';
import type { LocalEndpoints } from './local-endpoints.js';

export interface RecordsComponents {
  readonly store: Pick<Store, 'putEndpoint' | 'removeEndpoint'>;
  readonly endpoints: Pick<LocalEndpoints, 'get'>;
  readonly logger: Pick<Logger, 'info' | 'error'>;
}

/**
 * All or none: where one cannot be written, what was there before is what a restart finds.
 * @param atOnce so many are written at the same time.
 * @throws NsmError
 */
export async function writeDown(
  { store, endpoints, logger }: RecordsComponents,
  advertised: readonly Advertised[],
  atOnce: number,
): Promise<void> {
  const written: string[] = [];
  const write = async ({ key, record }: Advertised): Promise<void> => {
    await store.putEndpoint(key, record);
    written.push(key);
  };
  const takeBack = async (key: string): Promise<void> => {
    const before = endpoints.get(key)?.record;
    await (before ? store.putEndpoint(key, before) : store.removeEndpoint(key));
  };
  try {
    await forEachLimited(advertised, write, atOnce);
  } catch (error) {
    await forEachLimited(written, takeBack, atOnce).catch((failure: unknown) =>
      logger.error({ err: failure }, 'an endpoint whose advertisement was refused is on the disk'),
    );
    throw error;
  }
}

export function logAdvertised(logger: RecordsComponents['logger'], advertised: readonly Advertised[]): void {
  for (const socket of new Set(advertised.map(({ record }) => record.socketLocation))) {
    const served = advertised.filter(({ record }) => record.socketLocation === socket);
    const [first] = served;
    logger.info(
      { endpoint: first?.key, others: served.length - 1, socket, servedBy: first?.listener.pid },
      'endpoint advertised',
    );
  }
}
