// What all writes of a mesh's records to the Kubernetes API share.
import type { JsonObject } from '@bufbuild/protobuf';
import { type KubeClient, KubeError, type Lease } from '@nsm/kube-client';
import type { RegistryLogger } from '../registry.js';
import type { EndpointObject, ManagerObject } from './mesh-objects.js';

/** Milliseconds until a call must be answered. */
export const callMs = 3000;
/** Attempts of a write that others overtake. */
export const attempts = 10;

export interface Place {
  readonly namespace: string;
  readonly name: string;
}

export interface WriteComponents {
  readonly kube: KubeClient;
  /** Named in errors. */
  readonly url: string;
  /** Namespace of managers, leases and claims. */
  readonly home: string;
  readonly logger: RegistryLogger;
}

/** Who writes, for the API: another mesh of the same cluster is another writer, whose objects are not overwritten. */
export const fieldManagerOf = (home: string): string => `nsm/${home}`;

/** The object as it is now; undefined where there is none. */
export async function find<T extends ManagerObject | EndpointObject | Lease>(
  kube: KubeClient,
  resource: Parameters<KubeClient['get']>[0] & { readonly shape?: T },
  { name, namespace }: Place,
): Promise<T | undefined> {
  try {
    return (await kube.get(resource, { name, namespace }, { timeoutMs: callMs })) as T;
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Again, while somebody else has written in between. */
export async function retried<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (!isReason(error, 'Conflict') || attempt === attempts) throw error;
    }
  }
}

export function isReason(error: unknown, reason: string): boolean {
  return error instanceof KubeError && error.reason === reason;
}

/** Preconditions of a removal: this very version of the object. */
export function versionOf({
  metadata: { uid = '', resourceVersion = '' },
}: {
  readonly metadata: JsonMeta;
}): {
  readonly uid: string;
  readonly resourceVersion: string;
} {
  return { uid, resourceVersion };
}

type JsonMeta = { readonly uid?: string; readonly resourceVersion?: string } & (JsonObject | object);
