import { describe, expect, it } from 'vitest';
import type { Connection } from '../state/connection.js';
import type { InspectionComponents } from './components.js';
import { sharedHalf } from './halves.js';

const peer = { manager: 'node-b', address: '', connectionId: 'node-a:1-2' };
const client = { id: 'node-a:1-2', role: 'CLIENT', peer, halfId: 'secret', intent: { kind: 'connected' } };
const served = {
  ...client,
  id: 'node-a:9-9',
  role: 'ENDPOINT',
  peer: { ...peer, connectionId: 'node-b:3-4' },
};

function asked(half: object, name: string, connectionId: string, halfId: string): string {
  const own = half as Connection;
  const connections = {
    halfOf: (id: string) =>
      id === (own.role === 'CLIENT' ? own.id : own.peer?.connectionId) ? own : undefined,
  };
  try {
    return sharedHalf(
      { connections } as unknown as InspectionComponents,
      { name, proven: true },
      { connectionId, halfId },
    ).id;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a half that another manager asks about', () => {
  it.each([
    ['of its client', client, 'node-a:1-2'],
    ['of its endpoint', served, 'node-b:3-4'],
  ])('is told of to the manager of the other one alone: %s', (_, half, id) => {
    expect(asked(half, 'node-b', id, 'secret')).toBe(half.id);
    const no = (name: string): string => `manager "${name}" shares no such connection`;
    expect(asked(half, 'node-c', id, 'secret')).toBe(no('node-c'));
    expect(asked(half, 'node-b', id, '')).toBe(no('node-b'));
    expect(asked(half, 'node-b', id, 'guessed')).toBe(no('node-b'));
    expect(asked(half, 'node-b', 'node-a:0-0', 'secret')).toBe(no('node-b'));
    // Of an earlier version, without an id that shows it.
    expect(asked({ ...half, halfId: undefined }, 'node-b', id, '')).toBe(no('node-b'));
    expect(asked({ ...half, intent: { kind: 'closed' } }, 'node-b', id, 'secret')).toBe(no('node-b'));
  });

  it('is never a client half by the name of a half that is served', () =>
    expect(asked(served, 'node-b', served.id, 'secret')).toMatch(/shares no such/));
});
