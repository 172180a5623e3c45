// Whose name a manager may use, and which halves are its to end.
import { describe, expect, it } from 'vitest';
import type { Connection } from '../state/connection.js';
import { admitConnectionId, callingManager, means } from './calling-manager.js';

const certificate = (name: string, kind: 'manager' | 'registry' = 'manager') => ({
  identity: { domain: 'nsm', kind, name },
});

describe('callingManager', () => {
  it('is the manager of the certificate', () => {
    expect(callingManager(certificate('b'), 'b')).toEqual({ name: 'b', proven: true });
    expect(callingManager(certificate('b'), '')).toEqual({ name: 'b', proven: true });
    expect(() => callingManager(certificate('x'), 'b')).toThrow(/in the name of manager "b", .* of "x"/);
    expect(() => callingManager(certificate('b', 'registry'), 'b')).toThrow(/of registry "b"/);
  });

  it('is whom the call says without a certificate', () => {
    expect(callingManager({}, 'b')).toEqual({ name: 'b', proven: false });
  });
});

describe('admitConnectionId', () => {
  it('lets a manager ask for its own connections', () => {
    const caller = callingManager(certificate('b'), '');
    expect(() => admitConnectionId(caller, 'b:00000000-0000000000000000')).not.toThrow();
    expect(() => admitConnectionId(caller, '')).not.toThrow();
    expect(() => admitConnectionId(caller, 'bb:00000000-0000000000000000')).toThrow(/not one of manager "b"/);
    expect(() => admitConnectionId(callingManager({}, 'b'), 'c:1')).not.toThrow();
  });
});

describe('means', () => {
  const half = (manager: string, halfId?: string, connectionId = 'c:1') =>
    ({ peer: { manager, address: '', connectionId }, halfId }) as Connection;
  const [proven, said] = [callingManager(certificate('b'), ''), callingManager({}, 'b')];

  it.each([
    ['the half that is named', proven, half('b', 'h'), 'h', true],
    ['the half that is shared, for a proven manager', proven, half('b', 'h'), '', true],
    ['not a half that is only guessed at', said, half('b', 'h'), '', false],
    ['the half that is named, by whom it is known to', said, half('b', 'h'), 'h', true],
    ['not a former half', proven, half('b', 'h2'), 'h', false],
    ["not another manager's", proven, half('c', 'h'), 'h', false],
    ["not another manager's without a name", said, half('c', 'h'), 'h', false],
    [
      'the half of a manager that knows only the specification',
      callingManager({}, ''),
      half('', 'h', ''),
      '',
      true,
    ],
    ['a half that has no id', said, half('b'), 'h', true],
  ])('%s', (_what, caller, connection, halfId, expected) => {
    expect(means(caller, connection, halfId)).toBe(expected);
  });
});
