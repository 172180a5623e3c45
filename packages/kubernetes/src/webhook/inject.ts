// What a pod gets that asks for connections: the readiness gate, and containers for those connections that are to be asked for in it.
import type { Attachment } from '../annotation/attachment.js';
import { socketResource } from '../device-plugin/device-plugin.js';
import { connectedCondition } from '../pods/pod.js';
import type { PatchOperation, PodSpec } from './review.js';

export interface InjectionOptions {
  /** The product's image, for the containers that are added. */
  readonly image: string;
  /** Path of Node.js in it. */
  readonly node: string;
}

/** Of the containers that are added; a pod that has one by this name was seen here before. */
const namePrefix = 'nsm-connect-';
/** User of the image, for pods that do not say whose processes theirs are. */
const defaultUser = 65532;
/** Seconds for which an init container waits for the manager of its node. */
const waitSeconds = 60;

export function patchOf(
  spec: PodSpec,
  attachments: readonly Attachment[],
  options: InjectionOptions,
): readonly PatchOperation[] {
  const patch: PatchOperation[] = [];
  const gates = spec.readinessGates ?? [];
  if (!gates.some(({ conditionType }) => conditionType === connectedCondition))
    patch.push({
      op: 'add',
      path: '/spec/readinessGates',
      value: [...gates, { conditionType: connectedCondition }],
    });
  const present = spec.initContainers ?? [];
  const inPod = attachments.filter(({ mode }) => mode !== 'node');
  if (inPod.length === 0 || present.some(({ name }) => name.startsWith(namePrefix))) return patch;
  const added = inPod.map((attachment, index) =>
    containerOf(attachment, idOf(inPod, attachment), index + 1, options, spec),
  );
  patch.push({ op: 'add', path: '/spec/initContainers', value: [...added, ...present] });
  return patch;
}

/** Further connections to one service have another request_id than the Pod UID. */
function idOf(all: readonly Attachment[], attachment: Attachment): string {
  const before = all.filter(({ service }) => service === attachment.service).indexOf(attachment);
  return before === 0 ? '$(POD_UID)' : `$(POD_UID):${before + 1}`;
}

function containerOf(
  attachment: Attachment,
  requestId: string,
  number: number,
  { image, node }: InjectionOptions,
  { securityContext }: PodSpec,
): object {
  const { mode } = attachment;
  return {
    name: `${namePrefix}${number}`,
    image,
    args: [...argumentsOf(attachment), '--request-id', requestId, ...(mode === 'sidecar' ? ['--hold'] : [])],
    env: [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
    // Kubernetes takes an init container that is always restarted for a sidecar.
    ...(mode === 'sidecar' ? { restartPolicy: 'Always', ...probeOf(attachment, node) } : {}),
    resources: {
      requests: { cpu: '10m', memory: '64Mi' },
      limits: { memory: '256Mi', [socketResource]: '1' },
    },
    // As the level "restricted" of Pod Security wants it.
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: (securityContext?.runAsUser ?? defaultUser) !== 0,
      ...(securityContext?.runAsUser === undefined
        ? { runAsUser: defaultUser, runAsGroup: defaultUser }
        : {}),
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

/** `nsm connect …`, the image's command being `nsm`. */
function argumentsOf({ service, type, interfaceName, labels, parameters }: Attachment): string[] {
  const all = { ...(interfaceName === undefined ? {} : { name: interfaceName }), ...parameters };
  const query = Object.entries(all)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .join('&');
  return [
    ...['connect', service, '--wait', `${waitSeconds}s`],
    ...['--interface', query === '' ? type : `${type}?${query}`],
    ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
  ];
}

/** What comes after a sidecar begins when the sidecar has its interface, where that has a name to look for. */
function probeOf({ type, interfaceName }: Attachment, node: string): object {
  if (type !== 'kernel' || interfaceName === undefined) return {};
  const script = `require('node:fs').statSync(${JSON.stringify(`/sys/class/net/${interfaceName}`)})`;
  return {
    startupProbe: {
      exec: { command: [node, '-e', script] },
      periodSeconds: 1,
      failureThreshold: waitSeconds,
    },
  };
}
