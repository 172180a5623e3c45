// What a connection needs next: one table, read from top to bottom. Nothing here looks at a clock, a kernel or another manager.
import { traitsOf } from '@nsm/api';
import { type Connection, isInPlace, type Phase, type Tell } from '../state/connection.js';
import type { Facts, PathFailure } from './facts.js';

export interface Situation {
  readonly connection: Connection;
  /** The connection that this connection is to replace, where it still stands. */
  readonly replaced?: Connection;
  readonly facts: Readonly<Facts>;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

export type Step =
  /** Nothing until something happens, or until `untilMs`. */
  | { readonly do: 'rest'; readonly untilMs?: number }
  /** The connection's interface and all that was taken for it go; endpoint and other manager are told. */
  | { readonly do: 'remove' }
  | { readonly do: 'tell' }
  /** The connection is meant to be closed from now on. */
  | { readonly do: 'end'; readonly reason: string; readonly tell: Tell }
  /** The interface and the tunnel to the endpoint go; the client's own, its addresses above all, is kept for the client. */
  | { readonly do: 'detach'; readonly reason: string }
  /** The client is connected again, to whatever endpoint there is. */
  | { readonly do: 'reconnect' }
  /** The connection is up when packets go through it, and lost when they do not. */
  | { readonly do: 'verify' }
  /** The connection replaces the older one. */
  | { readonly do: 'promote' }
  /** A connection to another endpoint replaces this one, where an endpoint can take the client. */
  | { readonly do: 'evade'; readonly pathFailure: PathFailure }
  /** What the other manager tells of its half is recorded. */
  | { readonly do: 'note'; readonly contestedThere: string }
  /** The connection is kept as it is until packets come back. */
  | { readonly do: 'await-packets'; readonly reason: string }
  /** The kernel is brought to what the connection wants. */
  | { readonly do: 'compare' };

interface Row {
  readonly intent: 'connected' | 'closed';
  readonly phases: readonly Phase['kind'][];
  /** In words, for docs/architecture.md; '' for always. */
  readonly when: string;
  readonly holds?: (situation: Situation) => boolean;
  readonly does: Step['do'];
  readonly step: (situation: Situation) => Step;
}

/** The steps in words, for docs/architecture.md. */
export const steps: Readonly<Record<Step['do'], string>> = {
  rest: 'rest',
  remove: 'remove its interface, and tell its endpoint and the other manager',
  tell: 'tell the other manager',
  end: 'mean it to be closed',
  detach: 'remove its interface and tunnel, and keep its addresses',
  reconnect: 'connect its client elsewhere',
  verify: 'see whether packets go through it',
  promote: 'replace the other connection',
  evade: 'move its client to another endpoint',
  note: 'record what is undone on the other node',
  'await-packets': 'keep it, and wait for packets',
  compare: 'bring the kernel to what the record says',
};

const inPlace = ['UP', 'WAITING'] as const;
const anything = ['CONNECTING', 'UP', 'WAITING', 'DETACHING', 'LOST'] as const;

const waits = ({ facts, nowMs }: Situation): boolean => nowMs < facts.retryAtMs;
const retry = ({ facts }: Situation): Step => ({ do: 'rest', untilMs: facts.retryAtMs });

function compareAt({ compareAtMs, compare }: Readonly<Facts>): number {
  return Math.max(compareAtMs, compare?.notBeforeMs ?? 0);
}

/** The first row that fits is the step. */
export const rows: readonly Row[] = [
  {
    intent: 'closed',
    phases: [...anything, 'REMOVED'],
    when: 'the last attempt failed a moment ago',
    holds: waits,
    does: 'rest',
    step: retry,
  },
  { intent: 'closed', phases: ['REMOVED'], when: '', does: 'tell', step: () => ({ do: 'tell' }) },
  { intent: 'closed', phases: anything, when: '', does: 'remove', step: () => ({ do: 'remove' }) },
  {
    intent: 'connected',
    phases: anything,
    when: 'lost, and its client is on another node',
    holds: ({ connection, facts }) => facts.lost !== undefined && connection.role === 'ENDPOINT',
    does: 'end',
    step: ({ facts }) => ({ do: 'end', reason: facts.lost ?? '', tell: 'reconnect' }),
  },
  {
    intent: 'connected',
    phases: ['CONNECTING'],
    when: 'lost, and the connection that it was to replace still stands',
    holds: ({ facts, replaced }) => facts.lost !== undefined && replaced !== undefined,
    does: 'end',
    step: ({ facts }) => ({ do: 'end', reason: facts.lost ?? '', tell: 'peer' }),
  },
  {
    intent: 'connected',
    phases: ['CONNECTING', ...inPlace],
    when: 'lost',
    holds: ({ facts }) => facts.lost !== undefined,
    does: 'detach',
    step: ({ facts }) => ({ do: 'detach', reason: facts.lost ?? '' }),
  },
  {
    intent: 'connected',
    phases: ['CONNECTING', 'DETACHING', 'LOST'],
    when: 'the last attempt failed a moment ago',
    holds: waits,
    does: 'rest',
    step: retry,
  },
  {
    intent: 'connected',
    phases: ['DETACHING'],
    when: '',
    does: 'detach',
    step: ({ connection: { phase } }) => ({ do: 'detach', reason: 'reason' in phase ? phase.reason : '' }),
  },
  { intent: 'connected', phases: ['LOST'], when: '', does: 'reconnect', step: () => ({ do: 'reconnect' }) },
  { intent: 'connected', phases: ['CONNECTING'], when: '', does: 'verify', step: () => ({ do: 'verify' }) },
  {
    intent: 'connected',
    phases: inPlace,
    when: 'it is to replace another connection, and no attempt failed a moment ago',
    holds: (situation) => situation.connection.replaces !== undefined && !waits(situation),
    does: 'promote',
    step: () => ({ do: 'promote' }),
  },
  {
    intent: 'connected',
    phases: inPlace,
    when: 'the other manager tells that its half is undone again and again, or no longer',
    holds: ({ facts }) => facts.contestedThere !== undefined,
    does: 'note',
    step: ({ facts }) => ({ do: 'note', contestedThere: facts.contestedThere ?? '' }),
  },
  {
    intent: 'connected',
    phases: inPlace,
    when: 'no packets come back, another endpoint can take its client, and two interfaces can stand side by side',
    holds: ({ connection, facts }) => facts.pathFailure?.elsewhere === true && canMove(connection),
    does: 'evade',
    step: ({ facts: { pathFailure } }) => (pathFailure ? { do: 'evade', pathFailure } : { do: 'rest' }),
  },
  {
    intent: 'connected',
    phases: inPlace,
    when: 'no packets come back, and another endpoint can take its client',
    holds: ({ facts }) => facts.pathFailure?.elsewhere === true,
    does: 'detach',
    step: ({ facts }) => ({ do: 'detach', reason: facts.pathFailure?.reason ?? '' }),
  },
  {
    intent: 'connected',
    phases: inPlace,
    when: 'no packets come back',
    holds: ({ facts }) => facts.pathFailure !== undefined,
    does: 'await-packets',
    step: ({ facts }) => ({
      do: 'await-packets',
      reason: `${facts.pathFailure?.reason}; waiting, as no other endpoint can take its client`,
    }),
  },
  {
    intent: 'connected',
    phases: ['WAITING'],
    when: 'packets come back from the other node, and no attempt failed a moment ago',
    holds: (situation) => situation.facts.heard === true && !waits(situation),
    does: 'verify',
    step: () => ({ do: 'verify' }),
  },
  {
    intent: 'connected',
    phases: inPlace,
    when: 'the kernel may differ from its record, and mends are undone again',
    holds: ({ facts, nowMs }) => facts.compare !== undefined && nowMs < compareAt(facts),
    does: 'rest',
    step: ({ facts }) => ({ do: 'rest', untilMs: compareAt(facts) }),
  },
  {
    intent: 'connected',
    phases: inPlace,
    when: 'the kernel may differ from its record',
    holds: ({ facts }) => facts.compare !== undefined,
    does: 'compare',
    step: () => ({ do: 'compare' }),
  },
  {
    intent: 'connected',
    phases: inPlace,
    when: '',
    does: 'rest',
    step: (situation) => (waits(situation) ? retry(situation) : { do: 'rest' }),
  },
];

export function decide(situation: Situation): Step {
  const { intent, phase } = situation.connection;
  const row = rows.find(
    ({ intent: meant, phases, holds }) =>
      meant === intent.kind && phases.includes(phase.kind) && (holds?.(situation) ?? true),
  );
  return row?.step(situation) ?? { do: 'rest' };
}

/** Only interfaces of which two can stand in a pod: an application attached by a socket would have to be told of another. */
export function canMove(connection: Connection): boolean {
  const { role, crossConnect } = connection;
  const movable = crossConnect.client !== undefined && traitsOf(crossConnect.client.type).canMove;
  return role !== 'ENDPOINT' && movable && isInPlace(connection);
}
