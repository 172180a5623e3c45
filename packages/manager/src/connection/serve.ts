// How an order is served, with the connection that its key has. Asked when no step is due; nothing here looks at a clock, a kernel
// or another manager.
import { type Connection, isClosed, isUp } from '../state/connection.js';
import { canMove } from './decide.js';
import type { Order } from './orders.js';

export type Service =
  /** There is nothing to do, or nothing to do it with. */
  | { readonly serve: 'done' }
  /** Another pod's. */
  | { readonly serve: 'refuse' }
  /** It is made. */
  | { readonly serve: 'make' }
  /** It is compared; made anew where it is not what its record says. */
  | { readonly serve: 'confirm' }
  /** It is made anew at once. */
  | { readonly serve: 'reconnect' }
  /** Another is made beside it, and takes its place. */
  | { readonly serve: 'replace' }
  /** It is closed. */
  | { readonly serve: 'close' }
  /** It is closed without a word to who asked, and made. */
  | { readonly serve: 'close-and-make' }
  /** Another at another endpoint takes its place. */
  | { readonly serve: 'move' }
  /** What cannot be there twice is made anew elsewhere. */
  | { readonly serve: 'lose' };

export function serve(order: Order, present: Connection | undefined): Service {
  switch (order.kind) {
    case 'close':
      return !present || present.phase.kind === 'REMOVED' ? { serve: 'done' } : { serve: 'close' };
    case 'move':
      if (
        !present ||
        present.id !== order.id ||
        present.role === 'ENDPOINT' ||
        present.intent.kind === 'closed'
      )
        return { serve: 'done' };
      return canMove(present) ? { serve: 'move' } : { serve: 'lose' };
    case 'connect': {
      if (!present || isClosed(present)) return { serve: 'make' };
      const { owner, speaksForOthers, fingerprint } = order;
      if (owner && owner.namespace !== present.owner?.namespace && !speaksForOthers)
        return { serve: 'refuse' };
      const same = present.fingerprint === fingerprint;
      if (same && isUp(present)) return { serve: 'confirm' };
      // The client's manager knows best: what it asked for before, it no longer has.
      if (present.role === 'ENDPOINT') return { serve: 'close-and-make' };
      return same ? { serve: 'reconnect' } : { serve: 'replace' };
    }
  }
}
