// Runs the webhook until it is interrupted.
import { KubeClient, loadKubeConfig } from '@nsm/kube-client';
import { Webhook } from '@nsm/kubernetes/webhook';
import { healthOf } from '../../health-of.js';
import { aborted, interrupted } from '../../interrupted.js';
import { createLogger } from '../../logger.js';
import { metricsOf } from '../../observability.js';
import type { WebhookFlags } from './flags.js';

export async function runWebhook(flags: WebhookFlags): Promise<void> {
  const signal = interrupted();
  const { listen, service } = flags;
  const logger = createLogger(flags, { program: 'webhook' });
  const config = await loadKubeConfig();
  const client = new KubeClient(config);
  const at = listen.lastIndexOf(':');
  const metrics = metricsOf(flags.metricsListen, 'webhook');
  const webhook = new Webhook(
    { client, logger, ...(metrics ? { metrics } : {}) },
    {
      ...flags,
      namespace: config.namespace,
      listen: { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) },
    },
  );
  await using _health = await healthOf(flags.metricsListen, () => new Map(), metrics);
  await webhook.start();
  logger.info({ listen, service: `${service}.${config.namespace}` }, 'ready');
  await aborted(signal);
  await webhook.stop();
  logger.info('stopped');
}
