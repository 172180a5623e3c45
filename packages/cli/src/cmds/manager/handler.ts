// Runs a manager until it is interrupted.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { Manager } from '@nsm/manager';
import { openCredentials } from '@nsm/pki';
import { advertisedAddress } from '../../advertised-address.js';
import { healthOf } from '../../health-of.js';
import { aborted, interrupted } from '../../interrupted.js';
import { lendingOf } from '../../lending-flags.js';
import { createLogger } from '../../logger.js';
import { ownVersion } from '../../own-version.js';
import { prepareRunDir } from '../../prepare-run-dir.js';
import type { ManagerFlags } from './flags.js';

/** @param forwarderThread unless the forwarder is a process of its own. */
export async function runManager(flags: ManagerFlags, forwarderThread: Worker | undefined): Promise<void> {
  const signal = interrupted();
  const { name, runDir, listen, registry, tunnelAddress } = flags;
  const logger = createLogger(flags.logLevel, { manager: name });
  const advertise = flags.advertise ?? advertisedAddress(listen);
  const forwarderSocket =
    flags.forwarderSocket ?? (flags.forwarder === 'external' ? join(runDir, 'forwarder.sock') : undefined);
  // A manager without privileges trusts its forwarder, which may be another user and have the folder.
  const owners = forwarderSocket && process.geteuid?.() !== 0 ? ownersOf(runDir) : [];
  prepareRunDir(runDir, { owners });
  using credentials = await openCredentials(flags, { kind: 'manager', name }, logger);
  const manager = new Manager({
    name,
    version: ownVersion(),
    runDir,
    stateDir: flags.stateDir,
    listen,
    advertise,
    registry,
    ...(tunnelAddress ? { tunnelAddress } : {}),
    tunnels: flags.tunnel,
    vxlanEngine: flags.vxlanEngine,
    lending: lendingOf(flags),
    prefixes: flags.prefix,
    clusterPrefixes: flags.clusterPrefix,
    allowedUids: flags.allowUid,
    ...(flags.policy === undefined ? {} : { policy: flags.policy }),
    ...(flags.auditLog === undefined ? {} : { auditLog: flags.auditLog }),
    limits: Object.fromEntries(flags.limit),
    probeIntervalMs: flags.probeInterval,
    ...(forwarderSocket ? { forwarderSocket } : {}),
    ...(forwarderThread ? { forwarderThread } : {}),
    ...(credentials ? { credentials } : {}),
    logger,
  });
  await using _health = await healthOf(flags.metricsListen, () => manager.readiness.missing);
  await manager.start();
  await aborted(signal);
  logger.info('stopping');
  await manager.stop();
  logger.info('stopped');
}

function ownersOf(folder: string): readonly number[] {
  const stat = statSync(folder, { throwIfNoEntry: false });
  return stat ? [stat.uid] : [];
}
