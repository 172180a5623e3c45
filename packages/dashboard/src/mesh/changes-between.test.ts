import { describe, expect, it } from 'vitest';
import { keyOf, type MeshConnection, type MeshEndpoint, type MeshNode, type Thing } from '../model.js';
import { changesBetween, pastOf } from './changes-between.js';
import { notAskedYet } from './mesh-things.js';

const node: MeshNode = {
  kind: 'node',
  id: 'a',
  address: '',
  version: '',
  security: '',
  state: 'ALIVE',
  unseen: '',
  troubles: [],
};
const endpoint: MeshEndpoint = {
  kind: 'endpoint',
  id: 'default/gw/vpn',
  name: 'gw',
  namespace: 'default',
  service: 'vpn',
  node: 'a',
  interfaces: [],
  labels: {},
  prefixes: [],
  unavailable: '',
};
const side = {
  node: 'a',
  netns: '',
  pod: '',
  interfaceName: '',
  addresses: [],
  routes: [],
  routeCount: 0,
  mtu: 0,
  mac: '',
};
const connection: MeshConnection = {
  kind: 'connection',
  id: 'a:1',
  service: 'vpn',
  requestId: 'pod-1',
  state: 'SYNCED',
  detail: '',
  attempt: 0,
  since: '2026-01-01T00:00:01.000Z',
  interface: 'kernel',
  client: side,
  tunnel: null,
  narrow: null,
  halves: [],
  endpoint: { ...side, name: 'gw', namespace: 'default' },
  lastOrder: null,
  roundTripUs: null,
  heals: 0,
  history: [
    { time: '2026-01-01T00:00:00.000Z', state: 'CONNECTING', detail: '' },
    { time: '2026-01-01T00:00:01.000Z', state: 'SYNCED', detail: '' },
  ],
};
const now = '2026-01-01T00:01:00.000Z';
const mesh = (...things: Thing[]) => new Map(things.map((thing) => [keyOf(thing), thing]));

describe('what changed', () => {
  it.each<[string, Thing | undefined, Thing | undefined, string]>([
    ['a new connection', undefined, connection, 'pod-1 → vpn connected'],
    ['a heal that begins', connection, { ...connection, state: 'HEALING' }, 'pod-1 → vpn healing'],
    [
      'another endpoint',
      connection,
      { ...connection, endpoint: { ...connection.endpoint, name: 'gw-2' } },
      'pod-1 → vpn moved to gw-2',
    ],
    ['a heal', { ...connection, state: 'HEALING' }, connection, 'pod-1 → vpn healed'],
    [
      'a heal by another endpoint, while the manager of the former does not answer',
      { ...connection, state: 'UNKNOWN' },
      { ...connection, endpoint: { ...connection.endpoint, name: 'gw-2' } },
      'pod-1 → vpn healed',
    ],
    ['the end of a heal', { ...connection, state: 'CONNECTING' }, connection, 'pod-1 → vpn healed'],
    ['the end of a connection', connection, undefined, 'pod-1 → vpn closed'],
    ['an endpoint', undefined, endpoint, 'endpoint gw of vpn advertised'],
    [
      'a drained endpoint',
      endpoint,
      { ...endpoint, unavailable: 'drained' },
      'endpoint gw of vpn out of service',
    ],
    ['an endpoint that goes', endpoint, undefined, 'endpoint gw of vpn withdrawn'],
    ['a manager that is silent', node, { ...node, unseen: 'away' }, 'node a does not answer'],
    ['a manager that ended', node, { ...node, state: 'GONE' }, 'node a ended without a word'],
  ])('%s is a line', (_, before, after, words) => {
    const { changes } = changesBetween(
      mesh(...(before ? [before] : [])),
      mesh(...(after ? [after] : [])),
      now,
    );
    expect(changes.map(({ who, what }) => `${who} ${what}`)).toEqual([words]);
  });

  it('is nothing where nothing is different, and no line where only details are', () => {
    expect(changesBetween(mesh(connection), mesh({ ...connection }), now)).toEqual({
      put: [],
      gone: [],
      changes: [],
    });
    const measured = { ...connection, roundTripUs: 80 };
    expect(changesBetween(mesh(connection), mesh(measured), now)).toEqual({
      put: [measured],
      gone: [],
      changes: [],
    });
  });

  it.each<[string, Thing, Thing]>([
    ['a connection that is not seen', connection, { ...connection, state: 'UNKNOWN' }],
    [
      'a heal that connects anew',
      { ...connection, state: 'HEALING' },
      { ...connection, state: 'CONNECTING' },
    ],
    ['one that is seen again', { ...connection, state: 'UNKNOWN' }, connection],
    ['other words for silence', { ...node, unseen: 'away' }, { ...node, unseen: 'it was stopped' }],
    [
      'the silence of whoever has ended',
      { ...node, state: 'STOPPED' },
      { ...node, state: 'STOPPED', unseen: 'away' },
    ],
    ['a manager that came, and is asked soon', node, { ...node, unseen: notAskedYet }],
    ['its first answer', { ...node, unseen: notAskedYet }, node],
  ])('is no line of %s', (_, before, after) => {
    expect(changesBetween(mesh(before), mesh(after), now).changes).toEqual([]);
  });

  it('is one line of what befalls all endpoints of a node', () => {
    const three = ['gw', 'fw', 'lan'].map((name) => ({ ...endpoint, id: `default/${name}/vpn`, name }));
    const drained = three.map((one) => ({ ...one, unavailable: 'drained' }));
    const { changes } = changesBetween(mesh(...three), mesh(...drained), now);
    expect(changes).toEqual([
      expect.objectContaining({ about: 'node/a', who: '3 endpoints of node a', what: 'out of service' }),
    ]);
  });

  it('has the time at which a state was entered, where that is told', () => {
    expect(changesBetween(mesh(), mesh(connection), now).changes[0]?.time).toBe(connection.since);
    expect(changesBetween(mesh(connection), mesh(), now).changes[0]?.time).toBe(now);
  });
});

it('the past is what connections tell of it, the earliest first', () => {
  const later = {
    ...connection,
    id: 'a:2',
    history: [{ time: '2026-01-01T00:00:00.500Z', state: 'FAILED', detail: 'x' }],
  };
  expect(pastOf([connection, later, node]).map(({ about, what }) => `${about} ${what}`)).toEqual([
    'connection/a:1 connecting',
    'connection/a:2 failed',
    'connection/a:1 connected',
  ]);
});

it('the past tells a heal as one', () => {
  const states = ['CONNECTING', 'SYNCED', 'HEALING', 'CONNECTING', 'SYNCED'];
  const history = states.map((state, second) => ({
    time: `2026-01-01T00:00:0${second}.000Z`,
    state,
    detail: '',
  }));
  const lines = pastOf([{ ...connection, history }]).map(({ what }) => what);
  expect(lines).toEqual(['connecting', 'connected', 'healing', 'healed']);
});
