// Runs the webhook until it is interrupted.
import { KubeClient, loadKubeConfig } from '@nsm/kube-client';
import { Webhook } from '@nsm/kubernetes/webhook';
import { aborted, interrupted } from '../../interrupted.js';
import { createLogger } from '../../logger.js';
import type { WebhookFlags } from './flags.js';

export async function runWebhook({ listen, logLevel, ...options }: WebhookFlags): Promise<void> {
  const signal = interrupted();
  const logger = createLogger(logLevel, { program: 'webhook' });
  const config = await loadKubeConfig();
  const client = new KubeClient(config);
  const at = listen.lastIndexOf(':');
  const webhook = new Webhook(
    { client, logger },
    {
      ...options,
      namespace: config.namespace,
      listen: { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) },
    },
  );
  await webhook.start();
  logger.info({ listen, service: `${options.service}.${config.namespace}` }, 'ready');
  await aborted(signal);
  await webhook.stop();
  logger.info('stopped');
}
