// Orders: requests of clients, endpoints, managers and operators that wait for an answer. Orders of one key are served one after
// the other, in the order they came.
import type { NetworkServiceEndpoint } from '@nsm/api';
import type { Course } from '@nsm/observe';
import type { Connection, Tell } from '../state/connection.js';

interface AnyOrder {
  /** Begun, and ended, by whoever received the order. Default: begun when it is handed in. */
  readonly course?: Course;
  /** Where there is no course: the trace that the order is part of, as its caller says, unchecked. */
  readonly traceparent?: string | undefined;
}

export interface ConnectOrder extends AnyOrder {
  readonly kind: 'connect';
  /** Tells a repeated request from a changed one. */
  readonly fingerprint: string;
  readonly signal: AbortSignal;
  /**
   * Makes the connection until packets go through it.
   * @param interrupted aborts when the key is to be closed meanwhile.
   * @param beside the connection that stands until the new one carries packets, if there is one.
   * @throws NsmError for every refusal; then nothing of the connection is left.
   */
  readonly make: (interrupted: AbortSignal, beside?: Connection) => Promise<Connection>;
}

/** All connections of the key are to be closed. */
export interface CloseOrder extends AnyOrder {
  readonly kind: 'close';
  readonly reason: string;
  readonly tell: Tell;
  /** Whether the order concerns a connection, asked at the order's turn. @throws NsmError when the asking process may not close it. */
  readonly concerns?: (connection: Connection) => boolean | Promise<boolean>;
}

/** A connection is to leave its endpoint for another endpoint that is not to be avoided. */
export interface MoveOrder extends AnyOrder {
  readonly kind: 'move';
  readonly id: string;
  readonly reason: string;
  readonly avoid: (endpoint: NetworkServiceEndpoint) => boolean;
}

export type Order = ConnectOrder | CloseOrder | MoveOrder;
