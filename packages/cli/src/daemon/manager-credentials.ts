// What a manager shows other machines: what the command line says, or on a cluster what its signer gives.
import { type MachineCredentials, openCredentials, type PkiLogger } from '@nsm/pki';
import type { SecurityFlags } from '../flags/security-flags.js';

interface Flags extends SecurityFlags {
  readonly name: string;
  readonly stateDir: string;
  readonly registry: string;
}

/** @returns undefined for plain text. @throws NsmError of sources that do not give a certificate for the manager. */
export async function managerCredentials(
  flags: Flags,
  logger: PkiLogger,
): Promise<MachineCredentials | undefined> {
  const { name, registry, stateDir, insecure, tlsCert, tlsKey, tlsCa, spiffeSocket, join } = flags;
  const owner = { kind: 'manager', name } as const;
  const isSaid =
    insecure || [tlsCert, tlsKey, tlsCa, spiffeSocket, join].some((source) => source !== undefined);
  if (!registry.startsWith('kubernetes:') || isSaid) return await openCredentials(flags, owner, logger);
  const [{ ClusterCredentials }, { loadKubeConfig }] = await Promise.all([
    import('@nsm/kubernetes/identity'),
    import('@nsm/kube-client'),
  ]);
  const config = await loadKubeConfig();
  const namespace = registry.slice('kubernetes:'.length) || config.namespace;
  return await ClusterCredentials.open({ ...config, namespace }, stateDir, owner, logger);
}
