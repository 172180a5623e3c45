// Runs a forwarder until it is interrupted.
import { chmodSync, chownSync, statSync } from 'node:fs';
import { lentDevicesIn, serveForwarder } from '@nsm/forwarder';
import { defaultMemoryLimits } from '@nsm/forwarder/memory-limits';
import { healthOf } from '../../daemon/health-of.js';
import { createLogger } from '../../daemon/logger.js';
import { metricsOf } from '../../daemon/observability.js';
import { prepareRunDir } from '../../daemon/prepare-run-dir.js';
import { lendingOf } from '../../flags/lending-flags.js';
import { aborted, interrupted } from '../../interrupted.js';
import type { ForwarderFlags } from './flags.js';

export async function runForwarder(flags: ForwarderFlags): Promise<void> {
  const { runDir, stateDir, group, vxlanEngine } = flags;
  const signal = interrupted();
  const logger = createLogger(flags, { program: 'forwarder' });
  prepareRunDir(runDir, group === undefined ? {} : { groups: [group] });
  if (group !== undefined) shareFolder(runDir, group);
  const metrics = metricsOf(flags.metricsListen, 'forwarder');
  const forwarder = await serveForwarder({
    runDir,
    logger,
    vxlanEngine,
    memory: { ...defaultMemoryLimits, ...Object.fromEntries(flags.limit) },
    lending: { ...lendingOf(flags), folder: lentDevicesIn(stateDir) },
    ...(group === undefined ? {} : { group }),
    ...(metrics ? { metrics } : {}),
  });
  await using _health = await healthOf(flags.metricsListen, () => new Map(), metrics);
  logger.info({ runDir }, 'ready');
  await aborted(signal);
  await forwarder.stop();
  logger.info('stopped');
}

/** A manager of another user has its own sockets in the same folder, and leaves those of the forwarder alone: the folder is sticky. */
function shareFolder(folder: string, group: number): void {
  const { uid, mode } = statSync(folder);
  if (uid !== process.getuid?.()) return;
  chownSync(folder, uid, group);
  chmodSync(folder, (mode & 0o777) | 0o1070);
}
