// Runs the webhook until it is interrupted.

import { splitHostPort } from '@nsm/api';
import { KubeClient, loadKubeConfig } from '@nsm/kube-client';
import { Webhook } from '@nsm/kubernetes/webhook';
import { healthOf } from '../../daemon/health-of.js';
import { createLogger } from '../../daemon/logger.js';
import { metricsOf } from '../../daemon/observability.js';
import { aborted, interrupted } from '../../interrupted.js';
import type { WebhookFlags } from './flags.js';

export async function runWebhook(flags: WebhookFlags): Promise<void> {
  const signal = interrupted();
  const { listen, service } = flags;
  const logger = createLogger(flags, { program: 'webhook' });
  const config = await loadKubeConfig();
  const client = new KubeClient(config);
  const metrics = metricsOf(flags.metricsListen, 'webhook');
  const webhook = new Webhook(
    { client, logger, ...(metrics ? { metrics } : {}) },
    {
      ...flags,
      namespace: config.namespace,
      listen: splitHostPort(listen),
    },
  );
  await using _health = await healthOf(flags.metricsListen, () => new Map(), metrics);
  await webhook.start();
  logger.info({ listen, service: `${service}.${config.namespace}` }, 'ready');
  await aborted(signal);
  await webhook.stop();
  logger.info('stopped');
}
