// One attempt to connect an admitted request to one endpoint.
import {
  type ConnectionParameters,
  type connect,
  type forwarder as fw,
  type Interface,
  type NamespaceIdentity,
  type NetworkServiceEndpoint,
  type Subject,
  traitsOf,
} from '@nsm/api';
import type { Course } from '@nsm/observe';
import type { AddressPair } from '../addresses/address-pools.js';
import type { Verdict } from '../policy/gate.js';
import { providerOf } from '../policy/subjects.js';
import type { Connection, Owner } from '../state/connection.js';
import { isSameNamespace } from '../state/namespace-identity.js';
import type { RequestComponents } from './components.js';
import { type PortInit, portOf } from './port.js';

/** A request that has been admitted, with what admission found out. */
export interface Admitted {
  readonly request: connect.ConnectionRequest;
  readonly key: string;
  readonly fingerprint: string;
  readonly owner: Owner;
  /** The client's. */
  readonly namespace: fw.Namespace;
  readonly client: Subject;
  /** User of the client's process: sockets for the client are open to that user alone. */
  readonly uid: number;
  /** Counts the updates of one key, so that the new connection can stand beside the old until it carries packets. */
  readonly generation: number;
  /** What names the connection on every node it touches: 16 hexadecimal digits. Made anew, a connection keeps its own. */
  readonly hash: string;
  /** Of the order that the request is, or is part of. */
  readonly course: Course;
  /** The connection that this one is to replace, while it still stands: its interface keeps name and routes until then. */
  readonly beside?: Connection;
  /** Endpoints that the client must not be connected to, because it is to leave them. Default: none. */
  readonly avoid?: (endpoint: NetworkServiceEndpoint) => boolean;
  /** What a connection that is being healed had, and is to have again where possible. */
  readonly former?: {
    readonly pairs: readonly AddressPair[];
    readonly interfaceName: string;
    readonly interface: Interface;
    /** Bytes. */
    readonly mtu: number;
    /** Its endpoint was root's. */
    readonly trusted: boolean;
  };
}

export interface Attempt extends Admitted {
  readonly endpoint: NetworkServiceEndpoint;
  /** Those of the client's interfaces that are tried now, the best first. */
  readonly interfaces: readonly Interface[];
  readonly verdict: Verdict;
  readonly id: string;
}

/** A connection's id, made of the hash that names the connection on every node it touches. */
export function connectionId({ self }: Pick<RequestComponents, 'self'>, hash: string): string {
  return `${self.idPrefix}${hash}`;
}

/** The fields of a connection's record that do not depend on where its endpoint is. */
export function recordOf(
  components: RequestComponents,
  { id, key, request, fingerprint, generation, owner, namespace, beside, endpoint, client }: Attempt,
): Pick<
  Connection,
  | 'id'
  | 'key'
  | 'requestId'
  | 'service'
  | 'fingerprint'
  | 'generation'
  | 'owner'
  | 'replaces'
  | 'request'
  | 'endpoint'
  | 'client'
  | 'provider'
  | 'intent'
  | 'phase'
  | 'since'
> {
  return {
    id,
    key,
    requestId: request.requestId,
    service: request.networkServiceName,
    fingerprint,
    generation,
    owner,
    ...(beside ? { replaces: replacing(beside, namespace.inode) } : {}),
    request,
    endpoint: { name: endpoint.nseProviderName, namespace: endpoint.nseProviderNamespace },
    client,
    provider: providerOf(endpoint),
    intent: { kind: 'connected' },
    phase: { kind: 'CONNECTING' },
    since: components.connections.now(),
  };
}

/** The connection to be replaced; its interface's name counts in the same pod only. */
function replacing(beside: Connection, inode: number): NonNullable<Connection['replaces']> {
  const samePod = beside.crossConnect.client?.namespace?.inode === inode;
  return { id: beside.id, interfaceName: samePod ? nameToBe(beside) : '' };
}

/**
 * The client's side of the cross-connect. Its interface gets its former name, or the name that the client asks for, or the first
 * free of nsm0, nsm1, …; beside the connection that is to be replaced, name and routes come later.
 * @param other parameters of the endpoint's side.
 */
export function clientPort(
  components: RequestComponents,
  { id, former, beside, namespace, uid }: Attempt,
  chosen: Interface,
  parameters: ConnectionParameters,
  other: ConnectionParameters,
  siblings: readonly string[],
): PortInit {
  if (!traitsOf(chosen.type).hasDevice) return portOf(chosen, namespace, uid, parameters, other);
  const name = (former?.interfaceName || chosen.parameters?.interfaceParameters.name) ?? 'nsm%d';
  const port = {
    ...portOf(
      chosen,
      namespace,
      uid,
      { ...parameters, interfaceName: beside && !name.includes('%d') ? 'nsm%d' : name },
      other,
    ),
    reservedNames: namesToBe(components, id, namespace),
    siblings: [...siblings],
  };
  return beside ? { ...port, routes: [], beside: beside.id } : port;
}

/** The interface's name once the connection stands alone: the name that the client asks for, or that of the replaced interface. */
export function nameToBe({ replaces, interface: chosen, clientParameters }: Connection): string {
  const { interfaceName } = clientParameters;
  if (!traitsOf(chosen.type).hasDevice) return interfaceName;
  const inherited = replaces?.interfaceName || interfaceName;
  const wanted = chosen.parameters?.interfaceParameters.name ?? inherited;
  if (!wanted.includes('%d')) return wanted;
  const [before = '', after = ''] = wanted.split('%d');
  const number = inherited.slice(before.length, inherited.length - after.length);
  return inherited === `${before}${number}${after}` && /^\d+$/.test(number) ? inherited : interfaceName;
}

/** Interface names of other connections in the same pod, which are being healed and are to have the names again. */
export function namesToBe(
  components: Pick<RequestComponents, 'connections'>,
  id: string,
  pod: NamespaceIdentity,
): string[] {
  return components.connections
    .healing()
    .filter((other) => other.id !== id && isSameNamespace(other.crossConnect.client?.namespace, pod))
    .map(nameToBe);
}
