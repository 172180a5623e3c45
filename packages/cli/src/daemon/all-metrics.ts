// All metrics that daemons have, by the daemon: what their documentation is made of.
import { forwarderMetrics } from '@nsm/forwarder/metrics';
import { webhookMetrics } from '@nsm/kubernetes/metrics';
import { signerMetrics } from '@nsm/kubernetes/signer-metrics';
import { managerMetrics } from '@nsm/manager/metrics';
import { type MetricLiterals, processMetrics } from '@nsm/observe';
import { registryMetrics } from '@nsm/registry/metrics';

export const allMetrics: Readonly<Record<string, MetricLiterals>> = {
  'every daemon': processMetrics,
  'nsm manager': managerMetrics,
  'nsm forwarder': forwarderMetrics,
  'nsm registry': registryMetrics,
  'nsm kubernetes webhook': webhookMetrics,
  'nsm kubernetes signer': signerMetrics,
};
