// Runs a cluster's signer until it is interrupted.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { KubeClient, loadKubeConfig } from '@nsm/kube-client';
import { Signer } from '@nsm/kubernetes/signer';
import { healthOf } from '../../daemon/health-of.js';
import { createLogger } from '../../daemon/logger.js';
import { metricsOf } from '../../daemon/observability.js';
import { aborted, interrupted } from '../../interrupted.js';
import type { SignerFlags } from './flags.js';

export async function runSigner({ account, domain, ...flags }: SignerFlags): Promise<void> {
  const signal = interrupted();
  const logger = createLogger(flags, { program: 'signer' });
  const config = await loadKubeConfig();
  const namespace = flags.namespace ?? config.namespace;
  const client = new KubeClient(config);
  const options = {
    namespace,
    account: `system:serviceaccount:${namespace}:${account}`,
    domain,
    identity: `${hostname()}-${randomUUID()}`,
  };
  const metrics = metricsOf(flags.metricsListen, 'signer');
  const signer = new Signer({ kube: client, logger, ...(metrics && { metrics }) }, options);
  try {
    let missing = new Map([['authority', 'not yet']]);
    await using _health = await healthOf(flags.metricsListen, () => missing, metrics);
    await signer.start();
    missing = new Map();
    logger.info({ namespace, account: options.account }, 'ready');
    await aborted(signal);
    await signer.stop();
  } finally {
    client.stop();
  }
  logger.info('stopped');
}
