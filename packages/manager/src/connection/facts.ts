// Events of a connection that no step has dealt with yet. A restart knows none: it marks every connection to be compared.
import type { NetworkServiceEndpoint } from '@nsm/api';
import { MendPace, type MendPauses } from './mend-pace.js';

export interface PathFailure {
  readonly reason: string;
  /** Endpoints that the client is not to be connected to, as no packets would come back from them either. */
  readonly avoid: (endpoint: NetworkServiceEndpoint) => boolean;
  /** Another endpoint may take the client. */
  readonly elsewhere: boolean;
}

export interface Comparison {
  readonly reason: string;
  /** Milliseconds within which the other side must answer; 0: the other side is not asked. */
  readonly answerWithinMs: number;
  /** Monotonic milliseconds; absent: at `compareAtMs`. */
  readonly notBeforeMs?: number;
}

/** The kind of event for which a connection has to be healed, for those who count heals. */
export type HealCause =
  /** The endpoint has gone. */
  | 'endpoint'
  /** The interface is not as it should be, and cannot be mended. */
  | 'interface'
  /** The other manager has gone, or has lost its half. */
  | 'manager'
  | 'packets'
  /** The network between the nodes has changed. */
  | 'underlay'
  | 'policy'
  /** The connection was to be moved, and could only be made anew. */
  | 'move'
  /** The connection was being healed when the manager was restarted, or was not found again. */
  | 'restart';

export interface Facts {
  /** Why the endpoint, or this node's half of the connection, cannot be used any more. */
  lost?: string;
  /** The kind of that event. */
  cause?: HealCause;
  pathFailure?: PathFailure;
  /** What is undone again and again on the other node, as its manager tells; '' when nothing any more. */
  contestedThere?: string;
  /** Packets come back from the other node again, whether or not to this connection. */
  heard?: true;
  /** Why the connection has to be compared with the kernel. */
  compare?: Comparison;
  /** When the connection may be compared, monotonic milliseconds: later where mends are undone again. */
  compareAtMs: number;
  readonly pace: MendPace;
  /** When a failed step may be tried again, monotonic milliseconds. */
  retryAtMs: number;
  /** Attempts at the same step that failed in a row. */
  failures: number;
}

export function noFacts(pauses?: MendPauses): Facts {
  return { compareAtMs: 0, pace: new MendPace(pauses), retryAtMs: 0, failures: 0 };
}

/** Notes that a connection leads to nothing any more. */
export function noteLoss(facts: Facts, cause: HealCause, reason: string): void {
  facts.lost = reason;
  facts.cause = cause;
}

/** Forgets the events of a half that is to be made anew. */
export function forgetHalf(facts: Facts): void {
  delete facts.lost;
  delete facts.cause;
  delete facts.pathFailure;
  delete facts.contestedThere;
  delete facts.heard;
  delete facts.compare;
  facts.retryAtMs = 0;
}
