// The mesh's own kinds of object, as deploy/kubernetes/crds has them.
import type { JsonObject } from '@bufbuild/protobuf';
import type { KubeObject, Resource } from '@nsm/kube-client';

const ours = { group: 'networkservicemesh.io', version: 'v1', namespaced: true } as const;

export interface EndpointStatus {
  readonly state?: 'Serving' | 'Stopped' | 'Lost' | 'Refused';
  readonly message?: string;
  readonly manager?: string;
  readonly load?: number;
}

/** Its `spec` is the JSON of a netmesh.NetworkServiceEndpoint. */
export interface EndpointObject extends KubeObject {
  readonly spec: JsonObject;
  readonly status?: EndpointStatus;
}

export const endpointObjects: Resource<EndpointObject> = {
  ...ours,
  kind: 'NetworkServiceEndpoint',
  plural: 'networkserviceendpoints',
};

export interface ManagerObject extends KubeObject {
  /** The JSON of a nsmregistry.Manager, without what only the registry says of it. */
  readonly spec: JsonObject & { readonly leaseMs?: number };
  readonly status?: { readonly state?: 'Alive' | 'Stopped' | 'Lost'; readonly since?: string };
}

export const managerObjects: Resource<ManagerObject> = {
  ...ours,
  kind: 'NetworkServiceManager',
  plural: 'networkservicemanagers',
};

export interface ServiceObject extends KubeObject {
  readonly spec: {
    /** Default: the name of the object. */
    readonly name?: string;
    readonly prefixes?: readonly string[];
    readonly selector?: Readonly<Record<string, string>>;
    readonly policy?: string;
  };
  readonly status?: {
    readonly endpoints?: number;
    readonly state?: 'Available' | 'NoEndpoint' | 'NoPolicy';
    readonly message?: string;
  };
}

export const serviceObjects: Resource<ServiceObject> = {
  ...ours,
  kind: 'NetworkService',
  plural: 'networkservices',
};

export interface PolicyObject extends KubeObject {
  readonly spec: JsonObject;
  readonly status?: {
    readonly rules?: number;
    readonly state?: 'InForce' | 'Refused';
    readonly message?: string;
  };
}

export const policyObjects: Resource<PolicyObject> = {
  ...ours,
  kind: 'NetworkServicePolicy',
  plural: 'networkservicepolicies',
};

/** Labels of what managers write. */
export const labels = {
  /** Namespace of the managers: what tells the meshes of one cluster apart. An object without it is every mesh's. */
  mesh: 'networkservicemesh.io/mesh',
  /** Whose the object is. */
  manager: 'networkservicemesh.io/manager',
  /** What a Lease is for: `manager`, `claim` or `keeper`. */
  lease: 'networkservicemesh.io/lease',
} as const;
