// What a pod is told of its connections: an annotation of facts, and the condition that says whether it has all that it asks for. Pure.
import { abbreviatedList, interfaceWords, type NsmError, tunnelNames } from '@nsm/api';
import type { Condition } from '@nsm/kube-client';
import { type Connection, detailOf, type OperatorState, stateOf } from '@nsm/manager';
import { attachmentKey } from '../annotation/attachment.js';
import { problemText, type Wish } from '../annotation/merge-annotations.js';
import { connectedCondition } from '../pods/pod.js';

/** Of one connection, in the annotation. */
interface ConnectionStatus {
  readonly service: string;
  readonly endpoint: string;
  readonly state: string;
  readonly detail?: string;
  readonly type: string;
  readonly interface: string;
  /** As agreed with the endpoint, such as the path of the socket of shared memory; left out where there are none. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
  readonly peerAddresses: readonly string[];
  readonly routes: readonly string[];
  readonly dns: readonly string[];
  /** Bytes. */
  readonly mtu: number;
  readonly mac: string;
  /** The manager of the endpoint's node, where that is another. */
  readonly manager?: string;
  readonly tunnel?: {
    readonly type: string;
    readonly identifier: number;
    readonly local: string;
    readonly remote: string;
  };
}

/** Routes that are listed; a pod may have thousands, and all annotations of an object are 256 KiB at most. */
const maxRoutes = 32;
/** Characters of a condition's message. */
const maxMessage = 1024;

/** In the words of `nsm get`. */
export function stateWord(state: OperatorState): string {
  return state === 'UP' ? 'SYNCED' : state;
}

/** JSON of the annotation; undefined where there is nothing to tell. */
export function statusText(connections: readonly Connection[]): string | undefined {
  if (connections.length === 0) return undefined;
  const list = connections.map(connectionStatus);
  return JSON.stringify(
    list.toSorted((a, b) => `${a.service}/${a.interface}`.localeCompare(`${b.service}/${b.interface}`)),
  );
}

function connectionStatus(connection: Connection): ConnectionStatus {
  const { service, endpoint, clientParameters: given, crossConnect, peer } = connection;
  const detail = detailOf(connection);
  const { tunnel } = crossConnect;
  const routes = given.route.slice(0, maxRoutes);
  const parameters = connection.interface.parameters?.interfaceParameters ?? {};
  return {
    service,
    endpoint: endpoint.name,
    state: stateWord(stateOf(connection)),
    ...(detail === '' ? {} : { detail }),
    type: interfaceWords[connection.interface.type] ?? String(connection.interface.type),
    interface: given.interfaceName,
    ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
    addresses: given.addresses,
    peerAddresses: given.peerAddresses,
    routes,
    dns: given.dns?.servers ?? [],
    mtu: given.mtu,
    mac: given.mac,
    ...(peer ? { manager: peer.manager } : {}),
    ...(tunnel
      ? {
          tunnel: {
            type: tunnelNames[tunnel.type] ?? String(tunnel.type),
            identifier: tunnel.identifier,
            local: tunnel.local,
            remote: tunnel.remote,
          },
        }
      : {}),
  };
}

export interface Situation {
  readonly wish: Wish;
  /** By what of the annotation it is for. */
  readonly connections: ReadonlyMap<string, Connection>;
  /** Why what is asked for is not there, by the same. */
  readonly failures: ReadonlyMap<string, NsmError>;
  /** Why nothing can be asked for; such as that the pod has no network yet. */
  readonly obstacle?: string;
}

/** Without the time of its change. */
export function conditionFor({ wish, connections, failures, obstacle }: Situation): Condition {
  const condition = (status: 'True' | 'False', reason: string, message: string): Condition => ({
    type: connectedCondition,
    status,
    reason,
    message: message.slice(0, maxMessage),
  });
  if (wish.problems.length > 0)
    return condition('False', 'InvalidAnnotation', wish.problems.map(problemText).join('; '));
  if (obstacle !== undefined) return condition('False', 'CannotConnect', obstacle);
  const missing: string[] = [];
  let failed = false;
  for (const attachment of wish.attachments) {
    const key = attachmentKey(attachment);
    const connection = connections.get(key);
    if (connection && carriesPackets(connection)) continue;
    const failure = failures.get(key)?.toAdmissionError() ?? (connection && detailOf(connection));
    failed ||= failure !== undefined;
    missing.push(`${attachment.service}: ${failure || 'connecting'}`);
  }
  if (missing.length > 0)
    return condition('False', failed ? 'NotConnected' : 'Connecting', missing.join('; '));
  const services = [...new Set(wish.attachments.map(({ service }) => service))];
  return condition(
    'True',
    'Connected',
    services.length === 0 ? 'asks for nothing' : abbreviatedList(services),
  );
}

/** What heals is given the time to: a pod that lost its readiness with each moment's loss would lose its clients as well. */
function carriesPackets(connection: Connection): boolean {
  const state = stateOf(connection);
  return state === 'UP' || state === 'STALE' || state === 'HEALING';
}
