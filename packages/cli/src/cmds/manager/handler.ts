// Runs a manager until it is interrupted.
import { join } from 'node:path';
import { Manager } from '@nsm/manager';
import { advertisedAddress } from '../../advertised-address.js';
import { aborted, interrupted } from '../../interrupted.js';
import { lendingOf } from '../../lending-flags.js';
import { createLogger } from '../../logger.js';
import { prepareRunDir } from '../../prepare-folder.js';
import { prepareStateFolder } from '../../state-folder.js';
import { ownVersion } from '../version.js';
import type { ManagerFlags } from './flags.js';

export async function runManager(flags: ManagerFlags): Promise<void> {
  const signal = interrupted();
  const { name, runDir, listen, registry, tunnelAddress } = flags;
  const logger = createLogger(flags.logLevel, { manager: name });
  const advertise = flags.advertise ?? advertisedAddress(listen);
  const forwarderSocket =
    flags.forwarderSocket ?? (flags.forwarder === 'external' ? join(runDir, 'forwarder.sock') : undefined);
  prepareRunDir(runDir);
  const stateDir = prepareStateFolder(flags.stateDir, join(runDir, 'state-dir'), logger);
  const manager = new Manager({
    name,
    version: ownVersion(),
    runDir,
    stateDir,
    listen,
    advertise,
    registry,
    ...(tunnelAddress ? { tunnelAddress } : {}),
    tunnels: flags.tunnel,
    vxlanEngine: flags.vxlanEngine,
    lending: lendingOf(flags),
    prefixes: flags.prefix,
    allowedUids: flags.allowUid,
    probeInterval: flags.probeInterval,
    ...(forwarderSocket ? { forwarderSocket } : {}),
    logger,
  });
  await manager.start();
  await aborted(signal);
  logger.info('stopping');
  await manager.stop();
  logger.info('stopped');
}
