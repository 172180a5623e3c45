// Pods and Deployments that the suites have in common.
import { applicationImage, image } from './config.js';

export interface PodOptions {
  /** Node that the pod must be on. */
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Further fields of the pod's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** The sockets of the node's manager, for a container that calls it itself. */
const sockets = { limits: { 'networkservicemesh.io/socket': '1' } };

/** An application that does nothing, with a shell in it. */
export function application(name: string, options: PodOptions = {}): object {
  return { apiVersion: 'v1', kind: 'Pod', ...podTemplate(name, options) };
}

/** A Deployment of applications, whose pods have the label `app=NAME`. */
export function applications(name: string, replicas: number, options: PodOptions = {}): object {
  return deployment(name, replicas, podTemplate(name, options));
}

/** An application that an init container connects to a network service, on interface nsm0. */
export function connectedByInit(name: string, service: string, options: PodOptions = {}): object {
  const connect = {
    name: 'connect',
    image,
    args: ['connect', service, '--wait', '30s'],
    env: [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
    resources: sockets,
  };
  const spec = { initContainers: [connect], ...options.spec };
  return application(name, { ...options, spec });
}

const unprivileged = { runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };

export interface EndpointOptions extends PodOptions {
  readonly replicas?: number;
  /** Further arguments of `nsm endpoint`. */
  readonly args?: readonly string[];
  /** Default: the image's own user, who is not root, without any privilege. */
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

/** A Deployment of `nsm endpoint KIND`; each pod is the endpoint of its own name. */
export function endpoints(
  name: string,
  kind: string,
  service: string,
  options: EndpointOptions = {},
): object {
  const { replicas = 1, args = [], securityContext = unprivileged } = options;
  const endpoint = {
    name: 'endpoint',
    image,
    args: ['endpoint', kind, '--service', service, '--name', '$(POD_NAME)', '--wait', '30s', ...args],
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'NSM_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
    ],
    securityContext,
    resources: sockets,
  };
  // Clients move to other endpoints for up to 10 s when one leaves.
  const spec = {
    terminationGracePeriodSeconds: 15,
    containers: [endpoint],
    ...options.spec,
  };
  return deployment(name, replicas, podTemplate(name, { ...options, spec }));
}

function deployment(name: string, replicas: number, template: object): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { replicas, selector: { matchLabels: { app: name } }, template },
  };
}

function podTemplate(name: string, { node, labels, annotations, spec }: PodOptions): object {
  const shell = { name: 'shell', image: applicationImage, command: ['sleep', '1000000'] };
  return {
    metadata: { name, labels: { app: name, ...labels }, ...(annotations && { annotations }) },
    spec: {
      // A shell's sleep does not hear of its end.
      terminationGracePeriodSeconds: 1,
      ...(node !== undefined && { affinity: only(node) }),
      containers: [shell],
      ...spec,
    },
  };
}

/** By the scheduler, which waits for what the node does not offer yet. */
const only = (node: string): object => {
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node] }];
  const nodeSelectorTerms = [{ matchFields }];
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
};
