import { InterfaceType } from '@nsm/api';
import type { Connection } from '@nsm/manager';
import { expect, it } from 'vitest';
import { statusText } from './pod-status.js';

const connection = (parameters: Readonly<Record<string, string>>): Connection =>
  ({
    service: 'fast',
    endpoint: { name: 'fast-1', namespace: 'default' },
    interface: { type: InterfaceType.MEM_INTERFACE, parameters: { interfaceParameters: parameters } },
    clientParameters: { interfaceName: '', addresses: ['10.60.0.1/31'], peerAddresses: [], route: [] },
    crossConnect: {},
    intent: { kind: 'connected' },
    phase: { kind: 'UP' },
  }) as unknown as Connection;

it('tells an application where the socket of its shared memory is', () => {
  const socket = '/run/nsm/shared/1/c.sock';
  expect(JSON.parse(statusText([connection({ socket })]) ?? '')).toMatchObject([{ parameters: { socket } }]);
  expect(statusText([connection({})])).not.toContain('parameters');
});
