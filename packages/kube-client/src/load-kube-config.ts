// From KUBECONFIG, from the pod that this process runs in, or from ~/.kube/config to the API server.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { NsmError } from '@nsm/api';
import { fileToken } from './credentials.js';
import type { KubeConfig } from './kube-config.js';

/** Where kubelet puts what a pod needs to reach the API. */
const accountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The files that KUBECONFIG names come first, then the service account of this pod, then ~/.kube/config of HOME.
 * @throws NsmError `invalid` when there is none of them, or what is there cannot be used.
 */
export async function loadKubeConfig(env: Environment = process.env): Promise<KubeConfig> {
  if (env.KUBECONFIG) return await fromFiles(env.KUBECONFIG.split(delimiter).filter((path) => path !== ''));
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (host && existsSync(join(accountDir, 'token'))) return ofPod(host, port);
  const home = join(env.HOME ?? homedir(), '.kube/config');
  if (existsSync(home)) return await fromFiles([home]);
  throw new NsmError(
    'invalid',
    'no way to a Kubernetes API: set KUBECONFIG to the path of a kubeconfig file, or run in a pod with a service account',
  );
}

function ofPod(host: string, port: string): KubeConfig {
  const read = (name: string): string => readFileSync(join(accountDir, name), 'utf8');
  return {
    server: { url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`, ca: () => read('ca.crt') },
    credentials: fileToken(join(accountDir, 'token')),
    namespace: existsSync(join(accountDir, 'namespace')) ? read('namespace').trim() : 'default',
    source: "this pod's service account",
  };
}

/** Read only where there is such a file: a pod needs no YAML. */
async function fromFiles(paths: readonly string[]): Promise<KubeConfig> {
  const { readKubeConfigFiles } = await import('./kubeconfig-files.js');
  return readKubeConfigFiles(paths);
}
