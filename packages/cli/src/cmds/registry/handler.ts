// Runs a registry until it is interrupted.
import { betweenMachines, Server, registry as wire } from '@nsm/api';
import { StateFolder } from '@nsm/durable';
import { openCredentials } from '@nsm/pki';
import { countRegistry, openStore } from '@nsm/registry';
import { healthOf } from '../../daemon/health-of.js';
import { createLogger } from '../../daemon/logger.js';
import { metricsOf } from '../../daemon/observability.js';
import { etcdOf } from '../../flags/etcd-flags.js';
import { aborted, interrupted } from '../../interrupted.js';
import type { RegistryFlags } from './flags.js';
import { StandIn } from './stand-in.js';

export async function runRegistry(flags: RegistryFlags): Promise<void> {
  const { listen, store, name } = flags;
  const signal = interrupted();
  const logger = createLogger(flags, { program: 'registry' });
  // What is lost of a copy in a folder of its own, the managers write again.
  using standIn = new StandIn();
  using state = StateFolder.take(flags.stateDir, { standIn: standIn.path, holder: 'a registry', logger });
  const stateDir = state.path;
  using credentials = await openCredentials({ ...flags, stateDir }, { kind: 'registry', name }, logger);
  const { joining } = credentials ?? {};
  const registry = await openStore(store, { stateDir, logger, etcd: etcdOf(flags) });
  const metrics = metricsOf(flags.metricsListen, 'registry');
  const server = new Server((error, method) => logger.error({ err: error, method }, 'call failed'), {
    ...betweenMachines,
    onCrowd: (error) => logger.warn({ err: error }, 'connections are refused'),
  });
  metrics?.add(countRegistry(registry, (listener) => server.onCall(listener)));
  const missing = async (): Promise<ReadonlyMap<string, string>> => {
    const refusal = await state.refusal();
    return new Map(refusal === '' ? [] : [['state', refusal]]);
  };
  await registry.start();
  try {
    server.add(wire.Registry, registry.service);
    await server.listenTcp(listen, {
      onRefused: (error) => logger.warn({ err: error }, 'a connection is refused'),
      ...(credentials ? { credentials } : {}),
      ...(joining ? { other: joining } : {}),
    });
    await using _health = await healthOf(flags.metricsListen, missing, metrics);
    logger.info({ listen, store, stateDir }, 'ready');
    await aborted(signal);
  } finally {
    await server.stop();
    await registry.stop();
  }
  logger.info('stopped');
}
