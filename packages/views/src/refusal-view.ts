// A request that was refused, as data and in words.
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type admin, interfaceName, NsmError, type Subject } from '@nsm/api';
import { labelsText } from './texts.js';

export interface RefusalView {
  /** The pod, as `--from` names it. */
  readonly pod: string;
  readonly service: string;
  readonly requestId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly interfaces: readonly string[];
  readonly code: string;
  readonly what: string;
  /** Nobody refused it: its caller did not wait for the answer. */
  readonly givenUp: boolean;
  /** ISO 8601. */
  readonly time: string;
}

/** Of a call that its caller ended. */
const givenUpCode = new NsmError('cancelled', '').code;

export function refusalView(refusal: admin.Refusal): RefusalView {
  const { client, networkServiceName, requestId, labels, interface: interfaces, code, what, time } = refusal;
  return {
    pod: podName(client),
    service: networkServiceName,
    requestId,
    labels: labels?.selector ?? {},
    interfaces: interfaces.map(({ type }) => interfaceName(type)),
    code,
    what,
    givenUp: code === givenUpCode,
    time: time ? timestampDate(time).toISOString() : '',
  };
}

function podName(client: Subject | undefined): string {
  const { kubernetes, netns, inode } = client ?? {};
  return kubernetes?.name ? `${kubernetes.namespace}/${kubernetes.name}` : netns || String(inode ?? '');
}

/** `request "pod-1" for kernel, labels tier=gold`. */
export function requestText({ requestId, labels, interfaces }: RefusalView): string {
  const asked = labelsText(labels);
  return `request "${requestId}" for ${interfaces.join(', ') || 'any interface'}${asked ? `, labels ${asked}` : ''}`;
}
