// Runs a forwarder until it is interrupted.
import { serveForwarder } from '@nsm/forwarder';
import { aborted, interrupted } from '../../interrupted.js';
import { createLogger } from '../../logger.js';
import { prepareFolder } from '../../prepare-folder.js';
import type { ForwarderFlags } from './options.js';

export async function runForwarder({ runDir, logLevel, group }: ForwarderFlags): Promise<void> {
  const signal = interrupted();
  const logger = createLogger(logLevel, { program: 'forwarder' });
  prepareFolder('--run-dir', runDir);
  const forwarder = await serveForwarder({ runDir, logger, ...(group === undefined ? {} : { group }) });
  logger.info({ runDir }, 'ready');
  await aborted(signal);
  await forwarder.stop();
  logger.info('stopped');
}
