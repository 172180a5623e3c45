// A connection as one manager knows it: what was asked, what was agreed, and what this node has to show for it.
import { createHash, randomBytes } from 'node:crypto';
import type {
  ConnectionParameters,
  connect,
  forwarder as fw,
  Interface,
  NamespaceIdentity,
  Subject,
  TunnelType,
} from '@nsm/api';
import type { EndpointKey } from '@nsm/registry';
import type { AddressPair } from '../addresses/address-pools.js';
import { identityOf } from './namespace-identity.js';

/**
 * LOCAL: both sides are on this node. CLIENT: the client is here, the endpoint on another node. ENDPOINT: the
 * other way round.
 */
export type Role = 'LOCAL' | 'CLIENT' | 'ENDPOINT';

/** What the connection is meant to be; changed by orders and losses only. */
export type Intent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'closed'; readonly reason: string; readonly tell: Tell };

/**
 * Who else hears of an end, beside an endpoint of this node. `peer`: the other manager, until it has heard. `reconnect`: the same,
 * and it is to connect its client elsewhere. `once`: the other manager where it answers now. `nobody`: it knows.
 */
export type Tell = 'peer' | 'reconnect' | 'once' | 'nobody';

/** What there is of the connection. */
export type Phase =
  /** Being made; nobody has been told yet that it carries packets. */
  | { readonly kind: 'CONNECTING' }
  | {
      readonly kind: 'UP';
      /** What something in a pod of this node undoes each time it is mended. */
      readonly contested?: string;
      /** The same, as the other manager tells of its half. */
      readonly contestedThere?: string;
    }
  /** Its interface is as it was, and packets do not come back. */
  | { readonly kind: 'WAITING'; readonly reason: string; readonly attempt: number }
  /** Its endpoint was lost, or is left: what leads there is being taken away. */
  | { readonly kind: 'DETACHING'; readonly reason: string }
  /** Nothing of it is left but what is its client's own, its addresses above all: it is to be made anew. */
  | {
      readonly kind: 'LOST';
      readonly reason: string;
      readonly attempt: number;
      /** Of the latest attempt to make it anew. */
      readonly failure?: string;
    }
  /** Nothing of it is left on this node; the other manager has to hear of it. */
  | { readonly kind: 'REMOVED' };

/** After so many attempts that failed it takes more than patience, though it is tried again, less and less often. */
const failedAfter = 3;

/** What operators are told. FAILED is HEALING that does not succeed, STALE what is undone each time it is mended. */
export type OperatorState = 'CONNECTING' | 'UP' | 'STALE' | 'HEALING' | 'FAILED' | 'CLOSING';

type Lived = Pick<Connection, 'intent' | 'phase'>;

export function stateOf({ intent, phase }: Lived): OperatorState {
  if (intent.kind === 'closed') return 'CLOSING';
  switch (phase.kind) {
    case 'CONNECTING':
      return 'CONNECTING';
    case 'UP':
      return (phase.contested ?? phase.contestedThere) === undefined ? 'UP' : 'STALE';
    case 'DETACHING':
      return 'HEALING';
    case 'WAITING':
    case 'LOST':
      return phase.attempt >= failedAfter ? 'FAILED' : 'HEALING';
    case 'REMOVED':
      return 'CLOSING';
  }
}

/** Why a connection is in its state; '' when there is nothing to say. */
export function detailOf({ intent, phase }: Lived): string {
  if (intent.kind === 'closed')
    return phase.kind === 'REMOVED' ? `${intent.reason}; the other manager has not heard yet` : intent.reason;
  if (phase.kind === 'UP') return [phase.contested, phase.contestedThere].filter(Boolean).join('; ');
  if (phase.kind === 'LOST') return withCause(phase.reason, phase.failure ?? '');
  return 'reason' in phase ? phase.reason : '';
}

/** A reason with its cause, unless the reason names the cause already. */
export function withCause(reason: string, cause: string): string {
  return reason.includes(cause) ? reason : `${reason}; ${cause}`;
}

/** Whether a connection is meant to be, and its interface is there: up, or waiting for packets to come back. */
export function isInPlace({ intent, phase }: Lived): boolean {
  return intent.kind === 'connected' && (phase.kind === 'UP' || phase.kind === 'WAITING');
}

export function isUp({ intent, phase }: Lived): boolean {
  return intent.kind === 'connected' && phase.kind === 'UP';
}

export function isClosed({ intent }: Pick<Connection, 'intent'>): boolean {
  return intent.kind === 'closed';
}

/** Whether a connection is to carry packets, and does not. */
export function isHealing({ intent, phase }: Lived): boolean {
  return intent.kind === 'connected' && (phase.kind === 'WAITING' || isDetached(phase));
}

/** Whether what leads to the endpoint is gone, or is being taken away. */
export function isDetached({ kind }: Phase): boolean {
  return kind === 'DETACHING' || kind === 'LOST';
}

/** Whom a connection is held for, and until when. */
export interface Owner {
  /** Inode of the client's network namespace. */
  readonly namespace: number;
  /** Its cookie, where the kernel gives one: another namespace may get the inode. */
  readonly cookie?: bigint;
  /** The process it ends with; absent when it ends with the namespace. */
  readonly process?: { readonly pid: number; readonly startTime: number };
  /** True where the annotation of a pod asks for the connection, which ends with the annotation. */
  readonly annotated?: boolean;
}

/** Kept in the store as it is: plain data. */
export interface Connection {
  /** MANAGER:NODE-CONNECTION, also the ifalias of its interfaces. */
  readonly id: string;
  readonly key: string;
  readonly role: Role;
  readonly requestId: string;
  readonly service: string;
  /** Tells a repeated request from a changed one. */
  readonly fingerprint: string;
  /** Counts the updates of one key, so that the new connection can stand beside the old until it carries packets. */
  readonly generation: number;
  readonly owner?: Owner;
  /**
   * The connection whose place it takes: until that has gone, and the interface's name and routes have been taken over, it
   * stands beside it.
   */
  readonly replaces?: { readonly id: string; readonly interfaceName: string };
  readonly request?: connect.ConnectionRequest;
  readonly endpoint: { readonly name: string; readonly namespace: string };
  readonly peer?: { readonly manager: string; readonly address: string; readonly connectionId: string };
  /** Of an endpoint's half: what stands for the client and its request, as its manager tells. */
  readonly clientKey?: string;
  /** The request_id that the endpoint knows it by, where another client's connection has its own. */
  readonly servedAs?: string;
  /** Of a remote one, what the endpoint's manager calls its half: made anew, the same connection has another. */
  readonly halfId?: string;
  /** The client's. */
  readonly interface: Interface;
  /** The endpoint's; where the endpoint is on this node. */
  readonly endpointInterface?: Interface;
  readonly clientParameters: ConnectionParameters;
  readonly endpointParameters: ConnectionParameters;
  readonly crossConnect: fw.CrossConnect;
  readonly tunnel?: { readonly type: TunnelType; readonly identifier: number };
  /** Address pairs taken for it from this manager's pools. */
  readonly pairs: readonly AddressPair[];
  readonly intent: Intent;
  readonly phase: Phase;
  /** Who the client is, and who serves the endpoint, to policies; absent in records of earlier versions. */
  readonly client?: Subject;
  readonly provider?: Subject;
  /** Milliseconds since the Unix epoch at which it entered its state. */
  readonly since: number;
}

export function endpointOf({ service, endpoint }: Pick<Connection, 'service' | 'endpoint'>): EndpointKey {
  return {
    networkServiceName: service,
    nseProviderName: endpoint.name,
    nseProviderNamespace: endpoint.namespace,
  };
}

export function namespaceOfOwner({ namespace: inode, cookie = 0n }: Owner): NamespaceIdentity {
  return { inode, cookie };
}

/** The key under which a client's request is idempotent: in its own network namespace, whatever other pods ask for. */
export function requestKey(namespace: NamespaceIdentity, requestId: string, service: string): string {
  return `${identityOf(namespace)} ${service}/${requestId}`;
}

/** The same for all connections that take each other's place, on the client's node and, told by its manager, on the endpoint's. */
export function clientKeyOf({ role, key, peer, clientKey, requestId }: ServedFor): string {
  return role === 'ENDPOINT' ? `${peer?.manager} ${clientKey || requestId}` : key;
}

export type ServedFor = Pick<Connection, 'role' | 'key' | 'peer' | 'clientKey' | 'requestId'>;

/** The request_id by which the endpoint knows a connection. */
export function servedAsOf({ servedAs, requestId }: Pick<Connection, 'servedAs' | 'requestId'>): string {
  return servedAs ?? requestId;
}

/** The key under which a request of another manager is idempotent. */
export function proxyKey({
  connectionId,
  requestId,
  networkServiceName,
  clientManagerName,
}: {
  readonly connectionId: string;
  readonly requestId: string;
  readonly networkServiceName: string;
  readonly clientManagerName: string;
}): string {
  if (connectionId !== '') return `proxy ${connectionId}`;
  const request = `${networkServiceName}/${requestId}`;
  return clientManagerName === '' ? `proxy ${request}` : `proxy ${clientManagerName} ${request}`;
}

/** 64 bits that name a connection on every node it touches, and that no stranger can guess. */
export function newConnectionHash(): string {
  return randomBytes(8).toString('hex');
}

/** 64 bits that stand for something, the same each time. */
export function connectionHash(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
}

/** The part of an id that both managers of a remote connection share. */
export function hashOf(connectionId: string): string {
  return connectionId.slice(connectionId.lastIndexOf('-') + 1);
}

/**
 * A locally administered unicast MAC address (IEEE 802, 8.4) that follows from the connection: a connection that
 * is rebuilt keeps its addresses, so that no neighbour holds a stale one. The first digit is 0: behind an MPLS label it is not
 * taken for the version of an IP packet (RFC 8469).
 */
export function macOf(hash: string, side: 'client' | 'endpoint'): string {
  const bytes = createHash('sha256').update(`${side}\0${hash}`).digest().subarray(0, 6);
  bytes[0] = ((bytes[0] ?? 0) & 0x0c) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The name of the endpoint's interface: an endpoint has many, so each carries its connection's name. */
export function endpointInterfaceName(hash: string): string {
  return `nse${hash.slice(0, 12)}`;
}

/** Whether `endpointInterfaceName` may have made a name. */
export function isEndpointInterfaceName(name: string): boolean {
  return /^nse[0-9a-f]{12}$/.test(name);
}
