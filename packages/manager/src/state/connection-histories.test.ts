// What is remembered of each connection: since when it is there, its states, and how often it was healed.
import { expect, it } from 'vitest';
import type { Connection, Phase } from './connection.js';
import { ConnectionHistories, type Noted } from './connection-histories.js';

const nothing = { entries: () => [], put: () => undefined };
const connection = (phase: Phase, since = 1000): Connection =>
  ({ id: 'a', since, phase, intent: { kind: 'connected' } }) as unknown as Connection;

it('a heal is counted when the connection is up again', () => {
  const histories = new ConnectionHistories(nothing);
  const lost = connection({ kind: 'LOST', reason: 'gone', attempt: 0 } as never);
  const phases = [
    connection({ kind: 'CONNECTING' }),
    connection({ kind: 'UP' }),
    lost,
    connection({ kind: 'CONNECTING' }),
    connection({ kind: 'UP' }),
    connection({ kind: 'UP', contested: 'undone' }),
    lost,
  ];
  for (const [index, one] of phases.entries()) histories.note(one, 1000 + index);
  const { since, heals, states } = histories.of('a');
  expect([since, heals]).toEqual([1000, 1]);
  expect(states.map(({ state }) => state)).toEqual([
    'CONNECTING',
    'UP',
    'HEALING',
    'CONNECTING',
    'UP',
    'STALE',
    'HEALING',
  ]);
});

it('a connection that is found after a restart is as old as its state', () => {
  const histories = new ConnectionHistories(nothing);
  histories.note(connection({ kind: 'UP' }, 500), 9000);
  expect(histories.of('a').since).toBe(500);
  expect(histories.of('unknown')).toEqual({ since: 0, heals: 0, states: [] });
});

it('a history goes on after a restart where it was, and ends with the connection', () => {
  const kept = new Map<string, Noted | undefined>();
  const disk = {
    entries: () => [...kept].flatMap(([id, past]) => (past ? [[id, structuredClone(past)] as const] : [])),
    put: (id: string, past: Noted | undefined) => void kept.set(id, past),
  };
  const before = new ConnectionHistories(disk);
  before.note(connection({ kind: 'CONNECTING' }), 1000);
  before.note(connection({ kind: 'UP' }, 1005), 1005);
  before.note(connection({ kind: 'LOST', reason: 'gone', attempt: 0 } as never, 1010), 1010);
  const after = new ConnectionHistories(disk);
  after.note(connection({ kind: 'LOST', reason: 'gone', attempt: 0 } as never, 1010), 2000);
  after.note(connection({ kind: 'UP' }, 2005), 2005);
  const { since, heals, states } = after.of('a');
  expect([since, heals, states.map(({ state }) => state).join()]).toEqual([
    1000,
    1,
    'CONNECTING,UP,HEALING,UP',
  ]);
  after.delete('a');
  expect(new ConnectionHistories(disk).of('a').states).toEqual([]);
});
