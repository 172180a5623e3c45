// From `kubernetes:[NAMESPACE]` to a registry on the cluster that the environment names.
import { NsmError } from '@nsm/api';
import { loadKubeConfig } from '@nsm/kube-client';
import type { RegistryOptions } from '../following/cached-registry.js';
import { KubernetesRegistry } from './kubernetes-registry.js';
import { isNamespaceName } from './object-names.js';

/** @throws NsmError `invalid` for another URL, or when there is no way to a cluster. */
export async function openKubernetes(url: string, options: RegistryOptions): Promise<KubernetesRegistry> {
  const namespace = url.slice('kubernetes:'.length);
  if (namespace !== '' && !isNamespaceName(namespace))
    throw new NsmError(
      'invalid',
      `registry ${url}: expected kubernetes: or kubernetes:NAMESPACE, with a namespace of the cluster`,
    );
  const kubeConfig = await loadKubeConfig();
  return new KubernetesRegistry(url, { ...options, kubeConfig, ...(namespace && { namespace }) });
}
