// Whose name a manager may use, and which halves are its to end.
import { create } from '@bufbuild/protobuf';
import { registry } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import type { Connection } from '../state/connection.js';
import { admitConnectionId, callingManager, means } from './calling-manager.js';

const certificate = (name: string, kind: 'manager' | 'registry' = 'manager') => ({
  identity: { domain: 'nsm', kind, name },
});

const foreign = create(registry.ManagerSchema, { name: 'f', trustDomain: 'other' });
const components = {
  self: { domain: 'nsm' },
  registry: { managers: () => new Map([['f', foreign]]) },
};

describe('callingManager', () => {
  it('is the manager of the certificate', () => {
    expect(callingManager(components, certificate('b'), 'b')).toEqual({ name: 'b', proven: true });
    expect(callingManager(components, certificate('b'), '')).toEqual({ name: 'b', proven: true });
    expect(() => callingManager(components, certificate('x'), 'b')).toThrow(
      /in the name of manager "b", .* of "x"/,
    );
    expect(() => callingManager(components, certificate('b', 'registry'), 'b')).toThrow(/of registry "b"/);
  });

  it('is of the trust domain that it is registered with, or of the own one', () => {
    const other = (name: string) => ({ identity: { domain: 'other', kind: 'manager', name } as const });
    expect(callingManager(components, other('f'), 'f').name).toBe('f');
    expect(() => callingManager(components, certificate('f'), 'f')).toThrow(/of trust domain "other"/);
    expect(() => callingManager(components, other('b'), 'b')).toThrow(/of trust domain "nsm"/);
  });

  it('is whom the call says without a certificate', () => {
    expect(callingManager(components, {}, 'b')).toEqual({ name: 'b', proven: false });
  });
});

describe('admitConnectionId', () => {
  it('lets a manager ask for its own connections', () => {
    const caller = callingManager(components, certificate('b'), '');
    expect(() => admitConnectionId(caller, 'b:00000000-0000000000000000')).not.toThrow();
    expect(() => admitConnectionId(caller, '')).not.toThrow();
    expect(() => admitConnectionId(caller, 'bb:00000000-0000000000000000')).toThrow(/not one of manager "b"/);
    expect(() => admitConnectionId(callingManager(components, {}, 'b'), 'c:1')).not.toThrow();
  });
});

describe('means', () => {
  const half = (manager: string, halfId?: string, connectionId = 'c:1') =>
    ({ peer: { manager, address: '', connectionId }, halfId }) as Connection;
  const [proven, said] = [
    callingManager(components, certificate('b'), ''),
    callingManager(components, {}, 'b'),
  ];

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
      callingManager(components, {}, ''),
      half('', 'h', ''),
      '',
      true,
    ],
    ['a half that has no id', said, half('b'), 'h', true],
  ])('%s', (_what, caller, connection, halfId, expected) => {
    expect(means(caller, connection, halfId)).toBe(expected);
  });
});
