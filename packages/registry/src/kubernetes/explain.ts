// Failures of the Kubernetes API as those of a registry: refusals, and what can be tried again, with what to do about it.

import { NsmError } from '@nsm/api';
import { KubeError } from '@nsm/kube-client';

/** Said wherever the API server does not know the mesh's kinds. */
export const missingKinds =
  'the custom resources of Network Service Mesh are not installed: kubectl apply -f deploy/kubernetes/crds/';

/** @returns `invalid` and `conflict` as they are, anything else as `registry`: it may succeed later. */
export function asRegistryError(url: string, thrown: unknown): NsmError {
  const error = NsmError.from(thrown);
  if (error.kind === 'invalid' || error.kind === 'conflict' || error.kind === 'stopping') return error;
  return new NsmError('registry', `registry ${url}: ${adviceOn(error)}`, error);
}

/** What a failure means, and what an operator can do. */
export function adviceOn(error: Error): string {
  if (!(error instanceof KubeError)) return error.message;
  if (error.reason === 'NoSuchResource') return missingKinds;
  // The API server names the user, the verb and the resource.
  if (error.status === 403) return `${error.message}; grant it with a Role or ClusterRole`;
  if (error.status === 401) return `${error.message}; its credentials are not, or no longer, accepted`;
  return error.message;
}
