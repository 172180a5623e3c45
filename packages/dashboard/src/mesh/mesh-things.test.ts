import { create } from '@bufbuild/protobuf';
import { admin } from '@nsm/api';
import { type ConnectionView, connectionView, type SideView } from '@nsm/views/connection-view';
import { listedEndpointView } from '@nsm/views/endpoint-view';
import { type ManagerView, managerView } from '@nsm/views/manager-view';
import { describe, expect, it } from 'vitest';
import type { MeshConnection, MeshNode } from '../model.js';
import { meshThings, type Told } from './mesh-things.js';

const blank = connectionView(create(admin.ConnectionSchema));

const side = (address: string, namespace = ''): SideView => ({
  ...blank.client,
  interfaceName: namespace && 'nsm0',
  namespace,
  addresses: [address],
  mtu: 1450,
});

function half(id: string, role: string, more: Partial<ConnectionView> = {}): ConnectionView {
  return {
    ...blank,
    id,
    role,
    service: 'vpn',
    requestId: 'pod-1',
    state: 'SYNCED',
    endpoint: 'gw',
    peerManager: 'b',
    interface: 'kernel',
    client: side('10.0.0.1/31', '/c'),
    endpointSide: side('10.0.0.0/31'),
    tunnel: { type: 'VXLAN', identifier: 7, local: '', remote: '', port: 0 },
    ...more,
  };
}

const manager = (name: string, more: Partial<ManagerView> = {}): ManagerView => ({
  ...managerView(undefined),
  name,
  address: `${name}:5001`,
  security: 'mtls',
  alive: true,
  ...more,
});

function told(name: string, connections: readonly ConnectionView[], more: Partial<Told> = {}): Told {
  return { name, troubles: [], managers: [], endpoints: [], connections, silent: '', ...more };
}

const connectionsOf = (...all: Told[]): MeshConnection[] =>
  [...meshThings(all).values()].filter((thing) => thing.kind === 'connection');
const nodesOf = (all: Told[], unasked?: ReadonlyMap<string, string>): MeshNode[] =>
  [...meshThings(all, unasked).values()].filter((thing) => thing.kind === 'node');

describe('halves of a connection', () => {
  const client = half('a:1', 'CLIENT', { peerId: 'b:1' });
  const endpoint = half('b:1', 'ENDPOINT', {
    peerManager: 'a',
    peerId: 'a:1',
    client: side('10.0.0.1/31'),
    endpointSide: side('10.0.0.0/31', '/e'),
  });

  it.each([
    ['told in either order', [told('a', [client]), told('b', [endpoint])]],
    [
      'of whom the client’s does not know the other yet',
      [told('b', [endpoint]), told('a', [{ ...client, peerId: '' }])],
    ],
  ])('%s are one connection, each side as its own node tells', (_, all) => {
    expect(connectionsOf(...all)).toMatchObject([
      {
        id: 'a:1',
        client: { node: 'a', netns: '/c' },
        endpoint: { node: 'b', netns: '/e', name: 'gw' },
        halves: [{ id: 'a:1' }, { id: 'b:1' }],
      },
    ]);
  });

  it('is in the worse state of both, for that half’s reason', () => {
    const healing = { ...endpoint, state: 'HEALING', detail: 'no packets', attempt: 2 };
    expect(connectionsOf(told('a', [client]), told('b', [healing]))).toMatchObject([
      { state: 'HEALING', detail: 'no packets', attempt: 2 },
    ]);
  });

  it('is in the state of the half that is seen, where the other manager does not answer', () => {
    const failed = { ...endpoint, state: 'FAILED', detail: 'from before' };
    expect(connectionsOf(told('a', [client]), told('b', [failed], { silent: 'away' }))).toMatchObject([
      { state: client.state, detail: client.detail, halves: [{ state: client.state }, { state: 'UNKNOWN' }] },
    ]);
  });

  it('stands alone where the other manager is not asked', () => {
    expect(connectionsOf(told('a', [client]))).toMatchObject([
      { client: { node: 'a' }, endpoint: { node: 'b' } },
    ]);
    expect(connectionsOf(told('b', [endpoint]))).toMatchObject([
      { id: 'b:1', client: { node: 'a' }, endpoint: { node: 'b', netns: '/e' } },
    ]);
  });

  it('of one node has both sides there', () => {
    const local = half('a:1', 'LOCAL', {
      peerManager: 'a',
      tunnel: null,
      endpointSide: side('10.0.0.0/31', '/e'),
    });
    expect(connectionsOf(told('a', [local]))).toMatchObject([
      { client: { node: 'a', netns: '/c' }, endpoint: { node: 'a', netns: '/e' }, halves: [{ node: 'a' }] },
    ]);
  });

  it('has a round trip only while packets pass it', () => {
    const broken = { ...client, state: 'FAILED', roundTripUs: 80 };
    expect(connectionsOf(told('a', [broken]))).toMatchObject([{ roundTripUs: null }]);
    expect(connectionsOf(told('a', [{ ...client, roundTripUs: 80 }]))).toMatchObject([{ roundTripUs: 80 }]);
  });

  it('is in its state since when its manager says, whichever was started anew meanwhile', () => {
    const [earlier, restart] = ['2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00.000Z'];
    const history = [{ time: restart, state: 'SYNCED', detail: '', durationMs: null }];
    expect(connectionsOf(told('a', [{ ...client, since: earlier, history }]))).toMatchObject([
      { since: earlier, history: [{ time: earlier }] },
    ]);
  });

  it('is not known while its manager does not answer, nor in a state that this version does not know', () => {
    expect(connectionsOf(told('a', [client], { silent: 'away' }))).toMatchObject([{ state: 'UNKNOWN' }]);
    expect(connectionsOf(told('a', [{ ...client, state: 'DREAMING' }]))).toMatchObject([
      { state: 'UNKNOWN' },
    ]);
  });
});

describe('endpoints', () => {
  it('are told of by whoever answers, before the manager of their node that does not any more', () => {
    const listed = { ...listedEndpointView(create(admin.EndpointSchema)), name: 'gw', manager: 'b' };
    const gone = { ...listed, unavailable: 'manager "b" does not answer' };
    const all = [
      told('a', [], { endpoints: [gone] }),
      told('b', [], { endpoints: [listed], silent: 'away' }),
    ];
    for (const order of [all, all.toReversed()])
      expect([...meshThings(order).values()].filter(({ kind }) => kind === 'endpoint')).toMatchObject([
        { name: 'gw', node: 'b', unavailable: gone.unavailable },
      ]);
  });
});

describe('nodes', () => {
  it('are those that any manager knows, and say why they are not seen', () => {
    const managers = [manager('a'), manager('b', { drained: true }), manager('c', { alive: false })];
    const all = [told('a', [], { managers }), told('b', [], { managers })];
    expect(nodesOf(all, new Map([['c', 'no certificate']]))).toMatchObject([
      { id: 'a', state: 'ALIVE', unseen: '' },
      { id: 'b', state: 'DRAINED', unseen: '' },
      { id: 'c', state: 'GONE', unseen: 'no certificate' },
    ]);
  });

  it('are told of by whoever answers, before whoever does not any more', () => {
    const all = [
      told('a', [], { managers: [manager('a'), manager('b', { alive: false, stopped: true })] }),
      told('b', [], { managers: [manager('a'), manager('b')], silent: 'no manager answers' }),
    ];
    expect(nodesOf(all)).toMatchObject([
      { id: 'a', state: 'ALIVE' },
      { id: 'b', state: 'STOPPED', unseen: 'no manager answers' },
    ]);
  });
});
