// Pods as the level "restricted" of Pod Security wants them.

interface Workload {
  readonly spec: {
    readonly template?: Workload;
    readonly containers?: readonly object[];
    readonly volumes?: unknown;
  };
}

/** A pod, or a workload of pods, of an ordinary user without privileges. @param container further fields of its containers. */
export function restricted(object: object, container: object = {}): object {
  const { spec, ...rest } = object as Workload;
  if (spec.template) return { ...rest, spec: { ...spec, template: restricted(spec.template, container) } };
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  return {
    ...rest,
    spec: {
      ...spec,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: (spec.containers ?? []).map((one) => ({ ...one, securityContext, ...container })),
    },
  };
}

/** As `restricted`, with the manager's sockets from the device plugin and the pod's UID; no folder of the node is mounted. */
export function withSockets(object: object, container: object = {}): object {
  return restricted(withoutVolumes(object), {
    resources: { limits: { 'networkservicemesh.io/socket': '1' } },
    volumeMounts: [],
    env: [
      { name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    ],
    ...container,
  });
}

function withoutVolumes(object: object): object {
  const { spec, ...rest } = object as Workload;
  if (spec.template) return { ...rest, spec: { ...spec, template: withoutVolumes(spec.template) } };
  const { volumes: _, ...others } = spec;
  return { ...rest, spec: others };
}
