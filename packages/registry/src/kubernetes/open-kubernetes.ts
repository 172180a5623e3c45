// From `kubernetes:[NAMESPACE]` to a registry on the cluster that the environment names.
import { loadKubeConfig } from '@nsm/kube-client';
import type { RegistryOptions } from '../following/cached-registry.js';
import { KubernetesRegistry } from './kubernetes-registry.js';
import { meshNamespaceOf } from './kubernetes-url.js';

/** @throws NsmError `invalid` for another URL, or when there is no way to a cluster. */
export async function openKubernetes(url: string, options: RegistryOptions): Promise<KubernetesRegistry> {
  const namespace = meshNamespaceOf(url);
  const kubeConfig = await loadKubeConfig();
  return new KubernetesRegistry(url, { ...options, kubeConfig, ...(namespace && { namespace }) });
}
