// The table of connections: found by id, key and request, counted by endpoint, and told of without gaps.
import { describe, expect, it } from 'vitest';
import type { Connection } from './connection.js';
import { type ConnectionChange, ConnectionTable } from './connection-table.js';
import { holderOf } from './holder.js';
import type { Store } from './store.js';

const table = (): ConnectionTable =>
  new ConnectionTable(
    {
      histories: { entries: () => [], put: () => undefined },
      putConnectionSoon: () => undefined,
      putConnection: async () => {},
      removeConnection: async () => {},
    } as unknown as Store,
    () => 7,
  );
const connection = (id: string, generation = 1): Connection =>
  ({
    id,
    key: 'service/pod',
    requestId: 'pod',
    service: 'service',
    generation,
    endpoint: { name: 'one', namespace: '' },
    intent: { kind: 'connected' },
    phase: { kind: 'UP' },
  }) as unknown as Connection;
const ids = (connections: readonly Connection[]): string[] => connections.map(({ id }) => id);

describe('ConnectionTable', () => {
  it('finds the newest of a key, and the one before when that goes', async () => {
    const connections = table();
    const [first, second] = [connection('a', 1), connection('b', 2)];
    await connections.put(first);
    await connections.put(second);
    connections.change(first, { intent: { kind: 'closed', reason: 'replaced', tell: 'peer' } });
    expect(connections.byKey('service/pod')?.id).toBe('b');
    expect(ids(connections.byRequest('pod', 'service')).toSorted()).toEqual(['a', 'b']);
    const countOf = (): number =>
      connections.countOf({
        networkServiceName: 'service',
        nseProviderName: 'one',
        nseProviderNamespace: 'default',
      } as never);
    expect(countOf()).toBe(2);
    await connections.remove(second, 'gone');
    expect(connections.byKey('service/pod')).toMatchObject({ id: 'a', since: 7 });
    await connections.remove(first, 'gone');
    await connections.remove(first, 'gone again');
    expect(connections.byKey('service/pod')).toBeUndefined();
    expect(connections.byRequest('pod', 'service')).toEqual([]);
    expect([connections.size, countOf()]).toEqual([0, 0]);
  });

  it('counts those of each pod, of whose connections it is the manager', async () => {
    const connections = table();
    const owned = (id: string, namespace: number) => ({ ...connection(id), owner: { namespace } });
    for (const one of [owned('a', 1), owned('b', 1), owned('c', 2), connection('d')])
      await connections.put(one);
    connections.change(owned('a', 1), { intent: { kind: 'closed', reason: 'gone', tell: 'peer' } });
    const heldIn = (inode: number): number =>
      connections.holdings.connectionsOf({ uid: 0, gid: 0, namespace: { inode, cookie: 0n } }).pod;
    expect([1, 2, 3].map(heldIn)).toEqual([2, 1, 0]);
    await connections.remove(connections.byId('a')!, 'gone');
    expect(heldIn(1)).toBe(1);
  });

  it('counts what is being made, once, whatever becomes of the record meanwhile', async () => {
    const connections = table();
    const holder = { uid: 0, gid: 0, namespace: { inode: 1, cookie: 0n } };
    const held = (): object => connections.holdings.connectionsOf(holder);
    const ended = connections.holdings.expect('a', holder);
    expect(held()).toEqual({ pod: 1, user: 1 });
    const made = { ...connection('a'), owner: { namespace: 1 } };
    await connections.put(made);
    await connections.remove(made, 'the first endpoint refuses');
    expect(held()).toEqual({ pod: 1, user: 1 });
    await connections.put(made);
    ended();
    expect(held()).toEqual({ pod: 1, user: 1 });
    await connections.remove(made, 'gone');
    expect(held()).toEqual({ pod: 0, user: 0 });
  });

  it('counts routes of both sides while they are on record, whoever the client is', async () => {
    const connections = table();
    const client = { uid: 7, inode: 1, manager: 'b' };
    const routed = (id: string, ...routes: readonly string[]) =>
      ({
        ...connection(id),
        owner: undefined,
        client,
        clientParameters: { route: routes },
        endpointParameters: { route: routes },
      }) as unknown as Connection;
    const holder = holderOf(routed('a'))!;
    const beside = (id: string): number => connections.holdings.routesOf(holder, routed(id).id).pod;
    await connections.put(routed('a', '10.1.0.0/16', '10.2.0.0/16'));
    await connections.put(routed('b', '10.3.0.0/16'));
    expect([beside('a'), beside('b'), beside('c')]).toEqual([2, 4, 6]);
    await connections.put(routed('a'));
    expect(beside('c')).toBe(2);
    await connections.remove(routed('b'), 'gone');
    expect(beside('c')).toBe(0);
    expect(holder).toMatchObject({ manager: 'b', uid: 7 });
  });

  it('tells first what there is, then what changes', async () => {
    const connections = table();
    for (const id of ['a', 'b', 'c']) await connections.put(connection(id));
    const stop = new AbortController();
    const seen: string[] = [];
    const tell = (change: ConnectionChange): string =>
      change.kind === 'synced' ? 'synced' : `${change.kind} ${change.connection.id}`;
    for await (const change of connections.watch(stop.signal)) {
      seen.push(tell(change));
      if (seen.length === 1) await connections.remove(connection('b'), 'gone');
      if (change.kind === 'synced') await connections.put(connection('d'));
      if (tell(change) === 'present d') stop.abort();
    }
    expect(seen).toEqual(['present a', 'present c', 'synced', 'removed b', 'present d']);
  });
});
