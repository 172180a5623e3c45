// What `nsm watch` says of an event: the JSON of each line, and the source of its texts.
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { admin } from '@nsm/api';
import { type ConnectionView, connectionView } from '@nsm/views/connection-view';
import { type EndpointView, endpointView } from '@nsm/views/endpoint-view';
import { type ManagerView, managerView } from '@nsm/views/manager-view';
import type { WatchTopic } from './flags.js';

const { CONNECTIONS, ENDPOINTS, MANAGERS, POLICY, LIMITS } = admin.WatchEvent_Topic;
export const topicOf: Readonly<Record<WatchTopic, admin.WatchEvent_Topic>> = {
  connections: CONNECTIONS,
  endpoints: ENDPOINTS,
  managers: MANAGERS,
  policy: POLICY,
  limits: LIMITS,
};
const topicWords = new Map(Object.entries(topicOf).map(([word, topic]) => [topic, word as WatchTopic]));

const { PRESENT, CHANGED, REMOVED, SYNCED } = admin.ConnectionChange_Kind;
const kindWords = new Map<number, WatchKind>([
  [PRESENT, 'present'],
  [CHANGED, 'changed'],
  [REMOVED, 'removed'],
  [SYNCED, 'synced'],
]);

/** `present`: it was there when the watch began; `added`: it came since; `away`: the manager does not answer; `synced`: all that there is has been told, for the first time or again. */
export type WatchKind = 'present' | 'added' | 'changed' | 'removed' | 'synced' | 'away';

export interface WatchView {
  readonly kind: WatchKind;
  readonly time: string;
  /** Null of `synced` and `away`, which are about all of them. */
  readonly topic: WatchTopic | null;
  /** Why it ended or was refused; '' where there is nothing to say. */
  readonly reason: string;
  readonly connection?: ConnectionView | null;
  readonly endpoint?: EndpointView;
  readonly manager?: ManagerView;
  readonly policy?: { readonly source: string; readonly digest: string; readonly error: string };
  readonly limit?: { readonly name: string };
}

export function watchView(event: admin.WatchEvent): WatchView {
  const { what } = event;
  const base = {
    kind: kindWords.get(event.kind) ?? 'changed',
    time: (event.time ? timestampDate(event.time) : new Date()).toISOString(),
    topic: topicWords.get(event.topic) ?? null,
    reason: event.reason,
  };
  switch (what.case) {
    case 'connection':
      return { ...base, connection: connectionView(what.value) };
    case 'endpoint':
      return { ...base, endpoint: endpointView(what.value) };
    case 'manager':
      return { ...base, manager: managerView(what.value) };
    case 'policy': {
      const { source, digest, error } = what.value;
      return { ...base, reason: error, policy: { source, digest, error } };
    }
    case 'limit':
      return { ...base, reason: what.value.message, limit: { name: what.value.name } };
    default:
      return { ...base, connection: null };
  }
}

export function awayView(reason: string, time: Date): WatchView {
  return { kind: 'away', time: time.toISOString(), topic: null, reason };
}
