// What the managers of a cluster must be allowed: the rules of deploy/helm/nsm/templates/manager-rbac.yaml, which a test compares.
export interface Right {
  readonly group: string;
  /** With its subresource, such as `pods/status`. */
  readonly resource: string;
  readonly verb: string;
  /** In the namespace of the managers alone; else in all. */
  readonly own: boolean;
}

const mesh = 'networkservicemesh.io';

const inAllNamespaces: readonly (readonly [group: string, resource: string, verbs: string])[] = [
  ['', 'pods', 'get list watch'],
  ['', 'pods/status', 'patch'],
  ['', 'namespaces', 'list watch'],
  ['events.k8s.io', 'events', 'create patch'],
  ['', 'nodes', 'list watch'],
  ['networking.k8s.io', 'servicecidrs', 'list watch'],
  [mesh, 'networkserviceendpoints', 'get list watch create patch delete'],
  [mesh, 'networkserviceendpoints/status', 'patch'],
];

const inOwnNamespace: typeof inAllNamespaces = [
  [mesh, 'networkservicemanagers', 'get list watch create patch delete'],
  [mesh, 'networkservices', 'list watch'],
  [mesh, 'networkservicepolicies', 'list watch'],
  [mesh, 'networkservicemanagers/status', 'patch'],
  [mesh, 'networkservicepolicies/status', 'patch'],
  [mesh, 'networkservices/status', 'patch'],
  ['', 'services', 'create patch delete'],
  ['discovery.k8s.io', 'endpointslices', 'create patch delete'],
  ['coordination.k8s.io', 'leases', 'get list watch create update patch delete deletecollection'],
];

export const managerRights: readonly Right[] = [
  ...rightsOf(inAllNamespaces, false),
  ...rightsOf(inOwnNamespace, true),
];

/** What whoever installs the mesh must be allowed (deploy/kubernetes/nsm.yaml). */
export const installerRights: readonly Right[] = [
  ...rightsOf(
    [
      ['', 'namespaces', 'create'],
      ['apiextensions.k8s.io', 'customresourcedefinitions', 'create'],
      ['rbac.authorization.k8s.io', 'clusterroles', 'create'],
      ['rbac.authorization.k8s.io', 'clusterrolebindings', 'create'],
      ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations', 'create'],
      ['admissionregistration.k8s.io', 'validatingadmissionpolicies', 'create'],
    ],
    false,
  ),
  ...rightsOf(
    [
      ['apps', 'daemonsets', 'create'],
      ['apps', 'deployments', 'create'],
    ],
    true,
  ),
];

function rightsOf(table: typeof inAllNamespaces, own: boolean): Right[] {
  return table.flatMap(([group, resource, verbs]) =>
    verbs.split(' ').map((verb) => ({ group, resource, verb, own })),
  );
}

/** As messages of the API server have it: `patch pods/status`. */
export function rightInWords({ group, resource, verb, own }: Right): string {
  const [plural = '', subresource] = resource.split('/');
  const full = `${plural}${group === '' ? '' : `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`;
  return `${verb} ${full}${own ? ' in its own namespace' : ''}`;
}
