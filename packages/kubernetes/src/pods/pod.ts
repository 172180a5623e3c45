// A pod as the API tells of it, and what of it is kept.
import { create } from '@bufbuild/protobuf';
import { type KubernetesPod, KubernetesPodSchema } from '@nsm/api';
import { type Pod as CommonPod, type Condition, pods as commonPods, type Resource } from '@nsm/kube-client';

/** Condition and readiness gate of a pod: it has the connections that it asks for. */
export const connectedCondition = 'networkservicemesh.io/connected';
/** Annotation of a pod: what it has. */
export const statusAnnotation = 'networkservicemesh.io/status';
/** Of pods that kubelet starts from a file: the UID that it goes by, while the API gives another. */
const configHash = 'kubernetes.io/config.hash';

interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
}

export interface Pod extends CommonPod {
  readonly spec: CommonPod['spec'] & {
    readonly securityContext?: SecurityContext;
    readonly containers: readonly { readonly name: string; readonly securityContext?: SecurityContext }[];
  };
}

export const pods: Resource<Pod> = commonPods;

/** A node has a hundred pods, and most of what the API tells of them is of no use here. */
export function keptOf({ metadata, spec, status }: Pod): Pod {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, labels, annotations = {} } = metadata;
  const [first] = spec.containers;
  return {
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      deletionTimestamp,
      labels,
      annotations: Object.fromEntries(
        Object.entries(annotations).filter(
          ([key]) => /networkservicemesh\.io(\/|$)/.test(key) || key === configHash,
        ),
      ),
    } as Pod['metadata'],
    spec: {
      hostNetwork: spec.hostNetwork ?? false,
      serviceAccountName: spec.serviceAccountName ?? 'default',
      readinessGates: (spec.readinessGates ?? []).filter(
        ({ conditionType }) => conditionType === connectedCondition,
      ),
      ...(spec.securityContext ? { securityContext: userOf(spec.securityContext) } : {}),
      containers: first
        ? [
            {
              name: first.name,
              ...(first.securityContext ? { securityContext: userOf(first.securityContext) } : {}),
            },
          ]
        : [],
    },
    status: {
      ...(status?.phase ? { phase: status.phase } : {}),
      conditions: (status?.conditions ?? []).filter(({ type }) => type === connectedCondition),
    },
  };
}

function userOf({ runAsUser, runAsGroup }: SecurityContext): SecurityContext {
  return {
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
  };
}

export function uidOf({ metadata }: Pod): string {
  return metadata.uid ?? '';
}

/** The UID in the name of its cgroup. */
export function cgroupUidOf({ metadata }: Pod): string {
  return metadata.annotations?.[configHash] ?? metadata.uid ?? '';
}

/** Has ended for good, and its network with it. */
export function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

export function hasGate({ spec }: Pod): boolean {
  return (spec.readinessGates ?? []).length > 0;
}

export function conditionOf({ status }: Pod): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === connectedCondition);
}

/** User and group of the first container, as the pod says; root where it leaves that to the image. */
export function userOfPod({ spec }: Pod): { uid: number; gid: number } {
  const own = spec.containers[0]?.securityContext;
  const { runAsUser = 0, runAsGroup = 0 } = { ...spec.securityContext, ...own };
  return { uid: runAsUser, gid: runAsGroup };
}

/** What policies may know of it. */
export function factsOf({ metadata, spec }: Pod): KubernetesPod {
  return create(KubernetesPodSchema, {
    namespace: metadata.namespace ?? '',
    serviceAccount: spec.serviceAccountName ?? '',
    name: metadata.name,
    labels: { ...metadata.labels },
  });
}
