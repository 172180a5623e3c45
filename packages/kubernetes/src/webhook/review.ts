// AdmissionReview of admission.k8s.io/v1, as far as it is used:
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
import type { ObjectMeta } from '@nsm/kube-client';

export interface PodSpec {
  readonly hostNetwork?: boolean;
  readonly readinessGates?: readonly { readonly conditionType: string }[];
  readonly securityContext?: { readonly runAsUser?: number; readonly runAsGroup?: number };
  readonly initContainers?: readonly { readonly name: string }[];
}

/** A Pod, a Namespace, or a workload with a template of pods in it. */
export interface ReviewedObject {
  readonly metadata: Partial<ObjectMeta>;
  readonly spec?: PodSpec & {
    readonly template?: PodTemplate;
    readonly jobTemplate?: { readonly spec?: { readonly template?: PodTemplate } };
  };
}

interface PodTemplate {
  readonly metadata?: Partial<ObjectMeta>;
}

export interface AdmissionRequest {
  readonly uid: string;
  readonly kind: { readonly group: string; readonly kind: string };
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly namespace?: string;
  readonly object: ReviewedObject;
  readonly oldObject?: ReviewedObject | null;
}

export interface PatchOperation {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

/** What is decided of a request. */
export interface Admission {
  readonly allowed: boolean;
  /** Why not, for the person who asked. */
  readonly message?: string;
  /** What the person should know all the same. */
  readonly warnings?: readonly string[];
  readonly patch?: readonly PatchOperation[];
}

/** The answer's JSON. */
export function reviewOf(uid: string, { allowed, message, warnings, patch }: Admission): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed,
      ...(message === undefined ? {} : { status: { code: 422, reason: 'Invalid', message } }),
      // Each is cut at 256 characters.
      ...(warnings && warnings.length > 0 ? { warnings } : {}),
      ...(patch && patch.length > 0
        ? { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }
        : {}),
    },
  };
}
