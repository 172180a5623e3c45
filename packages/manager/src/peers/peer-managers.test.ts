// What managers tell each other of thousands of connections goes in calls that each accepts; a manager that is away is asked twice.
import { NsmError, proxy, Server } from '@nsm/api';
import { expect, it } from 'vitest';
import { PeerManagers } from './peer-managers.js';

it('another manager is asked of any number of connections, in calls that it accepts', async () => {
  let calls = 0;
  const asked: string[] = [];
  const server = new Server().add(proxy.ProxyConnection, {
    requestProxyConnection: async () => ({}),
    closeProxyConnection: async () => ({}),
    planProxyConnection: async () => ({}),
    moveConnection: async () => ({}),
    checkConnections: async ({ managerName, connections }) => {
      expect(managerName).toBe('node-a');
      const ids = connections.map(({ connectionId }) => connectionId);
      asked.push(...ids);
      calls++;
      const ended = connections.map(({ connectionId }) => ({ connectionId, reason: 'x'.repeat(1024) }));
      const troubled = ids.map((connectionId) => ({ connectionId, reason: 'x'.repeat(1024) }));
      const incarnation = String(calls);
      return { incarnation, unknownConnectionIds: ids, pendingConnectionIds: ids, ended, troubled };
    },
  });
  const address = `127.0.0.1:${await server.listenTcp('127.0.0.1:0')}`;
  const peers = new PeerManagers(() => new Map());
  try {
    const check = (count: number) => {
      const shared = Array.from({ length: count }, (_, n) => ({
        connectionId: `${n}-`.padEnd(255, 'x'),
        tunnelIdentifier: n,
      }));
      const ids = shared.map(({ connectionId }) => connectionId);
      return { ids, reply: peers.check({ manager: 'node-b', address }, 'node-a', shared, 10_000) };
    };
    // As in a mesh without trouble: whether the other is there is asked as well.
    expect(await check(0).reply).toMatchObject({ incarnation: '1', unknownConnectionIds: [] });
    const { ids, reply } = check(10_000);
    const { incarnation, unknownConnectionIds, pendingConnectionIds, ended, troubled } = await reply;
    expect(incarnation).toBe('2');
    expect(asked).toEqual(ids);
    expect(unknownConnectionIds).toEqual(ids);
    expect(pendingConnectionIds).toEqual(ids);
    expect(ended.map(({ connectionId }) => connectionId)).toEqual(ids);
    expect(troubled.length).toBeGreaterThan(0);
  } finally {
    peers.stop();
    await server.stop();
  }
});

it('a request is made once more over a new channel, also where others have to be at the same time', async () => {
  const free = new Server();
  const address = `127.0.0.1:${await free.listenTcp('127.0.0.1:0')}`;
  await free.stop();
  const peers = new PeerManagers(() => new Map());
  try {
    const { signal } = new AbortController();
    const asked = Array.from({ length: 8 }, (_, index) =>
      peers.request(
        { manager: 'node-b', address },
        { requestId: String(index) },
        { signal, headers: {}, onSteps: () => undefined },
      ),
    );
    const failed = (await Promise.allSettled(asked)).map((outcome) =>
      outcome.status === 'rejected' ? NsmError.from(outcome.reason).message : '',
    );
    expect(failed.filter((message) => !message.includes('connection refused'))).toEqual([]);
  } finally {
    peers.stop();
  }
});
