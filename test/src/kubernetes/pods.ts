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
export const runFolder = { name: 'run', hostPath: { path: '/run/nsm', type: 'Directory' } };
export const runMount = { name: 'run', mountPath: '/run/nsm' };

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
    volumeMounts: [runMount],
  };
  const spec = { initContainers: [connect], volumes: [runFolder], ...options.spec };
  return application(name, { ...options, spec });
}

export interface EndpointOptions extends PodOptions {
  readonly replicas?: number;
  /** Further arguments of `nsm endpoint`. */
  readonly args?: readonly string[];
  /** Root by default, which may put the endpoint's socket into the node's run folder. */
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

/** A Deployment of `nsm endpoint KIND`; each pod is the endpoint of its own name. */
export function endpoints(
  name: string,
  kind: string,
  service: string,
  options: EndpointOptions = {},
): object {
  const { replicas = 1, args = [], securityContext = { runAsUser: 0 } } = options;
  const endpoint = {
    name: 'endpoint',
    image,
    args: ['endpoint', kind, '--service', service, '--name', '$(POD_NAME)', '--wait', '30s', ...args],
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'NSM_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
    ],
    securityContext,
    volumeMounts: [runMount],
  };
  // Clients move to other endpoints for up to 10 s when one leaves.
  const spec = {
    terminationGracePeriodSeconds: 15,
    containers: [endpoint],
    volumes: [runFolder],
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
      ...(node !== undefined && { nodeName: node }),
      containers: [shell],
      ...spec,
    },
  };
}
