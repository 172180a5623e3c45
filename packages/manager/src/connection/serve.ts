// How an order is served, with the connection that its key has. Asked when no step is due; nothing here looks at a clock, a kernel
// or another manager.
import { type Connection, isClosed, isUp } from '../state/connection.js';
import { canMove } from './decide.js';
import type { Order } from './orders.js';

export type Service =
  /** There is nothing to do, or nothing to do it with. */
  | 'done'
  | 'make'
  /** The connection is compared with the kernel, and made anew where the kernel differs for good. */
  | 'confirm'
  | 'reconnect'
  /** A second connection is made beside the present one, and replaces it. */
  | 'replace'
  | 'close'
  /** The connection is closed without a word to the manager that asks, and made again. */
  | 'close-and-make'
  /** A connection to another endpoint replaces the present one. */
  | 'move'
  /** A connection of which two cannot stand side by side is made anew at another endpoint. */
  | 'lose';

export function serve(order: Order, present: Connection | undefined): Service {
  switch (order.kind) {
    case 'close':
      return !present || present.phase.kind === 'REMOVED' ? 'done' : 'close';
    case 'move':
      if (!present || present.id !== order.id || present.role === 'ENDPOINT' || isClosed(present))
        return 'done';
      return canMove(present) ? 'move' : 'lose';
    case 'connect': {
      if (!present || isClosed(present)) return 'make';
      const same = present.fingerprint === order.fingerprint;
      if (same && isUp(present)) return 'confirm';
      // The client's manager knows best: what it asked for before, it no longer has.
      if (present.role === 'ENDPOINT') return 'close-and-make';
      return same ? 'reconnect' : 'replace';
    }
  }
}
