// A connection as one manager knows it: what was asked, what was agreed, and what this node has to show for it.
import { createHash } from 'node:crypto';
import type { ConnectionParameters, connect, forwarder as fw, Interface, TunnelType } from '@nsm/api';
import type { AddressPair } from '../addresses/address-pools.js';

/**
 * LOCAL: both sides are on this node. CLIENT: the client is here, the endpoint on another node. ENDPOINT: the
 * other way round.
 */
export type Role = 'LOCAL' | 'CLIENT' | 'ENDPOINT';

export type ConnectionState =
  | { readonly kind: 'CONNECTING' }
  | {
      readonly kind: 'UP';
      /** What somebody in a pod of this node undoes each time it is mended. */
      readonly reason?: string;
      /** The same, as the other manager tells of its half. */
      readonly there?: string;
    }
  | {
      readonly kind: 'HEALING';
      readonly reason: string;
      readonly attempt: number;
      /** Its interface is as it was, waiting for packets to come back. */
      readonly kept?: true;
    }
  | {
      readonly kind: 'CLOSING';
      readonly reason: string;
      /** How it is closed: see `ClosingOptions`. */
      readonly tellPeer?: boolean;
      readonly reconnect?: boolean;
      /** Nothing of it is left on this node; the other manager has to hear of it. */
      readonly removed?: true;
    };

/** After so many attempts that failed it takes more than patience, though it is tried again, less and less often. */
const failedAfter = 3;

/** What operators are told: FAILED is HEALING that does not succeed, STALE what is undone each time it is mended. */
export function phaseOf(state: ConnectionState): ConnectionState['kind'] | 'FAILED' | 'STALE' {
  if (state.kind === 'UP' && (state.reason ?? state.there) !== undefined) return 'STALE';
  return state.kind === 'HEALING' && state.attempt >= failedAfter ? 'FAILED' : state.kind;
}

/** Its interface is there, and looked after: up, or waiting for packets to come back. */
export function isInPlace({ state }: Connection): boolean {
  return state.kind === 'UP' || isKept(state);
}

export function isKept(state: ConnectionState): boolean {
  return state.kind === 'HEALING' && state.kept === true;
}

/** Whom a connection is held for, and until when. */
export interface Owner {
  /** Inode of the client's network namespace. */
  readonly namespace: number;
  /** The process it ends with; absent when it ends with the namespace. */
  readonly process?: { readonly pid: number; readonly startTime: number };
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
  /** Of a remote one, what the endpoint's manager calls its half: made anew, the same connection has another. */
  readonly halfId?: string;
  /** The client's. */
  readonly interface: Interface;
  /** Where the endpoint is on this node. */
  readonly endpointInterface?: Interface;
  readonly clientParameters: ConnectionParameters;
  readonly endpointParameters: ConnectionParameters;
  readonly crossConnect: fw.CrossConnect;
  readonly tunnel?: { readonly type: TunnelType; readonly identifier: number };
  /** Address pairs taken for it from this manager's pools. */
  readonly pairs: readonly AddressPair[];
  readonly state: ConnectionState;
  /** Milliseconds since the Unix epoch at which it entered its state. */
  readonly since: number;
}

/** The key under which a client's request is idempotent. */
export function requestKey(requestId: string, service: string): string {
  return `${service}/${requestId}`;
}

/** 64 bits that name a connection on every node it touches. */
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
