// A connection's record as it is on the disk: with the number of its schema, so that a manager reads what an earlier version wrote.
import { NsmError } from '@nsm/api';
import type { Connection, Intent, Phase } from './connection.js';

/** 1: what is meant and what there is were one state, and records had no number. 2: intent and phase. */
const schema = 2;

export type StoredConnection = Connection & { readonly schema: typeof schema };

export function stored(connection: Connection): StoredConnection {
  return { ...connection, schema };
}

/**
 * @param record as this version or an earlier one wrote it.
 * @throws NsmError `conflict` for a record of a later version.
 */
export function restored(record: unknown): Connection {
  const { schema: written = 1, ...rest } = record as { readonly schema?: number };
  if (written > schema)
    throw new NsmError(
      'conflict',
      `its connections were written by a later version (schema ${written}; this one knows ${schema}): start that version, ` +
        'or choose another --state-dir',
    );
  return written === 1 ? fromSchema1(rest as Schema1) : (rest as Connection);
}

interface Schema1 extends Omit<Connection, 'intent' | 'phase'> {
  readonly state: {
    readonly kind: 'CONNECTING' | 'UP' | 'HEALING' | 'CLOSING';
    readonly reason?: string;
    readonly attempt?: number;
    readonly kept?: true;
    readonly tellPeer?: boolean;
    readonly reconnect?: boolean;
    readonly removed?: true;
  };
}

function fromSchema1({ state, ...rest }: Schema1): Connection {
  return { ...rest, ...intentAndPhase(state) };
}

function intentAndPhase(state: Schema1['state']): { readonly intent: Intent; readonly phase: Phase } {
  const { kind, reason = '', attempt = 0 } = state;
  const intent: Intent = { kind: 'connected' };
  switch (kind) {
    case 'CONNECTING':
    case 'UP':
      return { intent, phase: { kind } };
    case 'HEALING':
      // Whether what led to the lost endpoint was taken away already was not written down: taking it away twice does no harm.
      return {
        intent,
        phase: state.kept ? { kind: 'WAITING', reason, attempt } : { kind: 'DETACHING', reason },
      };
    case 'CLOSING': {
      const tell = state.tellPeer === false ? 'nobody' : state.reconnect ? 'reconnect' : 'peer';
      return {
        intent: { kind: 'closed', reason, tell },
        phase: state.removed ? { kind: 'REMOVED' } : { kind: 'UP' },
      };
    }
  }
}
