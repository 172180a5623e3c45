// What has happened to a connection, as far as it has not been dealt with. A restart knows none: it marks all to be compared.
import type { NetworkServiceEndpoint } from '@nsm/api';
import { MendPace } from './mend-pace.js';

export interface PathFailure {
  readonly reason: string;
  /** Endpoints that its client is not to be connected to, as they would be silent as well. */
  readonly avoid: (endpoint: NetworkServiceEndpoint) => boolean;
  /** Others may take its client. */
  readonly elsewhere: boolean;
}

export interface Comparison {
  readonly reason: string;
  /** Milliseconds within which the other side must answer; 0: it is not asked. */
  readonly answerWithinMs: number;
  /** Monotonic milliseconds; absent: as soon as it may be compared at all. */
  readonly notBeforeMs?: number;
}

export interface Facts {
  /** Why what it leads to, or what there is of it, is of no use any more. */
  lost?: string;
  /** Packets do not come back from the other node. */
  pathFailure?: PathFailure;
  /** What somebody undoes on the other node, as its manager tells; '' when nothing any more. */
  contestedThere?: string;
  /** Packets come back from the other node again, whether or not to this connection. */
  heard?: true;
  /** Why it has to be compared with the kernel. */
  compare?: Comparison;
  /** When it may be compared, monotonic milliseconds: later where somebody undoes what is mended. */
  compareAtMs: number;
  readonly pace: MendPace;
  /** When what failed may be tried again, monotonic milliseconds. */
  retryAtMs: number;
  /** Attempts at the same step that failed in a row. */
  failures: number;
}

export function noFacts(): Facts {
  return { compareAtMs: 0, pace: new MendPace(), retryAtMs: 0, failures: 0 };
}

/** What happened to a half that is to be made anew does not matter any more. */
export function forgetHalf(facts: Facts): void {
  delete facts.lost;
  delete facts.pathFailure;
  delete facts.contestedThere;
  delete facts.heard;
  delete facts.compare;
  facts.retryAtMs = 0;
}
