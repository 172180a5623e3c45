// Where a manager's policy is: in a file, or in the objects of a cluster.
import { join } from 'node:path';
import type { PolicyOrigin } from '@nsm/manager';
import type { Logger } from 'pino';

interface Flags {
  readonly policy?: string;
  readonly stateDir: string;
}

export async function policyOf(
  { policy, stateDir }: Flags,
  logger: Logger,
): Promise<string | PolicyOrigin | undefined> {
  if (!policy?.startsWith('kubernetes:')) return policy;
  const [{ ClusterPolicy }, { loadKubeConfig }] = await Promise.all([
    import('@nsm/kubernetes/policy'),
    import('@nsm/kube-client'),
  ]);
  const config = await loadKubeConfig();
  const namespace = policy.slice('kubernetes:'.length) || config.namespace;
  const file = join(stateDir, 'cluster-policy.json');
  return new ClusterPolicy({ ...config, namespace }, file, logger.child({ module: 'policy' }));
}
