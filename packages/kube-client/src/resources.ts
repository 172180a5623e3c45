// The kinds of Kubernetes' own objects that the mesh uses, and of each the fields it uses.
import type { KubeObject, ObjectMeta, Resource } from './kube-object.js';

const core = { group: '', version: 'v1' } as const;

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface ContainerStatus {
  readonly name: string;
  /** Such as `containerd://0123…`. */
  readonly containerID?: string;
  readonly ready: boolean;
  readonly started?: boolean;
  readonly restartCount: number;
}

export interface Pod extends KubeObject {
  readonly spec: {
    readonly nodeName?: string;
    readonly serviceAccountName?: string;
    readonly hostNetwork?: boolean;
    readonly readinessGates?: readonly { readonly conditionType: string }[];
    readonly containers: readonly { readonly name: string }[];
    readonly initContainers?: readonly { readonly name: string }[];
  };
  readonly status?: {
    readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly hostIP?: string;
    readonly qosClass?: 'Guaranteed' | 'Burstable' | 'BestEffort';
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}
export const pods: Resource<Pod> = { ...core, kind: 'Pod', plural: 'pods', namespaced: true };

export interface Node extends KubeObject {
  readonly spec: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[] };
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly Condition[];
    /** Quantities, such as `4` or `8Gi`, by resource. */
    readonly allocatable?: Readonly<Record<string, string>>;
  };
}
export const nodes: Resource<Node> = { ...core, kind: 'Node', plural: 'nodes', namespaced: false };

export const namespaces: Resource<KubeObject> = {
  ...core,
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
};

export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
}
export interface Service extends KubeObject {
  readonly spec: {
    readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
    /** `None`: headless. */
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly ServicePort[];
    readonly publishNotReadyAddresses?: boolean;
    /** Of an ExternalName. */
    readonly externalName?: string;
  };
}
export const services: Resource<Service> = { ...core, kind: 'Service', plural: 'services', namespaced: true };

export interface EndpointSlice extends KubeObject {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
    readonly hostname?: string;
    readonly nodeName?: string;
  }[];
  readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
}
export const endpointSlices: Resource<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
};

export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    /** RFC 3339 with microseconds. */
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}
export const leases: Resource<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

/** events.k8s.io/v1, where `note` is the message. */
export interface Event extends KubeObject {
  readonly eventTime: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note?: string;
  readonly regarding: {
    readonly apiVersion?: string;
    readonly kind?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly uid?: string;
  };
  readonly reportingController: string;
  readonly reportingInstance: string;
}
export const events: Resource<Event> = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};

export interface Secret extends KubeObject {
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}
export const secrets: Resource<Secret> = { ...core, kind: 'Secret', plural: 'secrets', namespaced: true };

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}
export const configMaps: Resource<ConfigMap> = {
  ...core,
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
};

export interface CertificateSigningRequest extends KubeObject {
  readonly spec: {
    /** Base64 of a PEM certificate request. */
    readonly request: string;
    readonly signerName: string;
    readonly usages: readonly string[];
    readonly expirationSeconds?: number;
    /** These are the server's to say: who made the request. */
    readonly username?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    /** Base64 of PEM certificates, the leaf first. */
    readonly certificate?: string;
  };
}
export const certificateSigningRequests: Resource<CertificateSigningRequest> = {
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  namespaced: false,
};

export interface ServiceCidr extends KubeObject {
  readonly spec: { readonly cidrs: readonly string[] };
}
export const serviceCidrs: Resource<ServiceCidr> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  namespaced: false,
};

export interface MutatingWebhookConfiguration extends KubeObject {
  readonly metadata: ObjectMeta;
  readonly webhooks?: readonly {
    readonly name: string;
    readonly clientConfig: { readonly caBundle?: string; readonly url?: string };
  }[];
}
export const mutatingWebhookConfigurations: Resource<MutatingWebhookConfiguration> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
};
