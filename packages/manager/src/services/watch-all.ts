// Everything that operators may want to hear of, in one stream: what there is, then what happens.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { admin, Backlog } from '@nsm/api';
import { watchRecords } from '../signals/registry-changes.js';
import { detailOf, isClosed } from '../state/connection.js';
import type { ChangeOfOne } from '../state/connection-table.js';
import type { ServiceComponents } from './components.js';
import { adminConnection } from './told-connections.js';

type EventInit = MessageInitShape<typeof admin.WatchEventSchema>;
type Components = Pick<ServiceComponents, 'connections' | 'pods' | 'registry' | 'source' | 'shares'>;
type Tell = (event: Omit<EventInit, '$typeName' | 'time'>) => void;

const { PRESENT, CHANGED, REMOVED, SYNCED } = admin.ConnectionChange_Kind;
const { CONNECTIONS, ENDPOINTS, MANAGERS, POLICY, LIMITS } = admin.WatchEvent_Topic;
const kinds = { present: PRESENT, changed: CHANGED, removed: REMOVED };

/** A watcher that is this many events behind is cut off, and may watch again from the start. */
const maxBacklog = 4096;

/**
 * @param wanted topics; none: all.
 * @throws NsmError `overload` for a watcher that is too far behind.
 */
export async function* watchAll(
  components: Components,
  wanted: readonly admin.WatchEvent_Topic[],
  signal: AbortSignal,
): AsyncGenerator<EventInit> {
  const { connections } = components;
  const isWanted = (topic: admin.WatchEvent_Topic): boolean => wanted.length === 0 || wanted.includes(topic);
  let present = 0;
  let synced = false;
  const backlog = new Backlog<EventInit>(() => maxBacklog + present);
  const tell: Tell = (event) => {
    if (!synced) present++;
    backlog.push({ ...event, time: timestampFromMs(connections.now()) });
  };
  const listening: Disposable[] = [];
  try {
    if (isWanted(MANAGERS) || isWanted(ENDPOINTS)) listening.push(watchRegistry(components, isWanted, tell));
    if (isWanted(POLICY)) listening.push(watchPolicy(components, tell));
    if (isWanted(CONNECTIONS)) {
      listening.push(connections.onChange((change) => tellConnection(components, change, tell)));
      for (const connection of connections.values())
        tellConnection(components, { kind: 'present', connection }, tell);
    }
    if (isWanted(LIMITS)) listening.push(watchLimits(components, tell));
    tell({ kind: SYNCED });
    synced = true;
    yield* backlog.read(signal);
  } finally {
    for (const one of listening) one[Symbol.dispose]();
  }
}

function watchLimits({ shares }: Components, tell: Tell): Disposable {
  return shares.onRefusal((name, { message }) =>
    tell({ topic: LIMITS, kind: CHANGED, what: { case: 'limit', value: { name, message } } }),
  );
}

function tellConnection(components: Components, change: ChangeOfOne, tell: Tell): void {
  const { kind, connection } = change;
  const reason = kind === 'removed' ? change.reason : isClosed(connection) ? detailOf(connection) : '';
  const value = adminConnection(components, connection);
  tell({ topic: CONNECTIONS, kind: kinds[kind], what: { case: 'connection', value }, reason });
}

function watchRegistry(
  { registry }: Components,
  isWanted: (topic: admin.WatchEvent_Topic) => boolean,
  tell: Tell,
): Disposable {
  return watchRecords(registry, (change) => {
    const kind = kinds[change.kind];
    if (change.about === 'manager' && isWanted(MANAGERS))
      tell({ topic: MANAGERS, kind, what: { case: 'manager', value: change.record } });
    else if (change.about === 'endpoint' && isWanted(ENDPOINTS))
      tell({ topic: ENDPOINTS, kind, what: { case: 'endpoint', value: change.record } });
  });
}

function watchPolicy({ source }: Components, tell: Tell): Disposable {
  const told = (kind: admin.ConnectionChange_Kind, error: string): void =>
    tell({
      topic: POLICY,
      kind,
      what: { case: 'policy', value: { source: source.path, digest: source.digest, error } },
    });
  if (source.path !== '') told(PRESENT, source.error);
  return source.onChange((error) => told(CHANGED, error));
}
