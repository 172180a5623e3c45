import { describe, expect, it } from 'vitest';
import type { MeshConnection, MeshEndpoint } from '../model.js';
import { finds, toggled, unknownKeys } from './filter.js';

const side = {
  node: 'node-a',
  netns: '/run/netns/red',
  pod: '',
  interfaceName: 'nsm0',
  addresses: ['10.1.2.3/31'],
  routes: [],
  routeCount: 0,
  mtu: 0,
  mac: '',
};
const connection: MeshConnection = {
  kind: 'connection',
  id: 'node-a:1',
  service: 'vpn',
  requestId: 'Web-1',
  state: 'HEALING',
  detail: '',
  attempt: 0,
  since: '',
  interface: 'kernel',
  client: side,
  halves: [],
  history: [],
  endpoint: { ...side, node: 'node-b', name: 'gw-1', namespace: 'default' },
  lastOrder: null,
  tunnel: { type: 'VXLAN', identifier: 77, local: '', remote: '', port: 0 },
  roundTripUs: null,
  narrow: null,
  heals: 0,
};
const endpoint: MeshEndpoint = {
  kind: 'endpoint',
  id: 'default/gw-1/vpn',
  name: 'gw-1',
  namespace: 'default',
  service: 'vpn',
  node: 'node-b',
  interfaces: [],
  labels: { tier: 'gold' },
  prefixes: [],
  unavailable: '',
};

describe('a search', () => {
  it.each([
    '',
    '  ',
    'web-1',
    'WEB',
    'vpn gw',
    '10.1.2.3',
    'red',
    'vxlan',
    '77',
    'state:healing',
    'node:node-b service:vpn',
  ])('for %j finds the connection', (query) => expect(finds(query)(connection)).toBe(true));
  it.each(['web-2', 'web-1 state:synced', 'service:web', 'node:node-c', 'endpoint:web-1', 'other:web'])(
    'for %j does not find the connection',
    (query) => expect(finds(query)(connection)).toBe(false),
  );
  it('finds endpoints by their labels, and lines of the time line by their words', () => {
    expect(finds('tier=gold')(endpoint)).toBe(true);
    const line = {
      id: 1,
      time: '',
      about: '',
      what: 'closed',
      who: 'web-1 → vpn',
      detail: '',
      state: 'CLOSING' as const,
    };
    expect(['web closed', 'state:closing'].map((query) => finds(query)(line))).toEqual([true, true]);
    expect(finds('state:failed')(line)).toBe(false);
  });
});

it('a word is put into a search, and taken out of it', () => {
  expect(toggled('', 'state:failed')).toBe('state:failed');
  expect(toggled('web state:failed', 'state:failed')).toBe('web');
});

it.each([
  ['sevice:echo', ' sevice: is no key of a search; state:, service:, node:, endpoint: are.'],
  ['state:failed node-a:1 fd00::1 net:[4026] 02:00:00:00:00:01 web', ' net: is no key'],
  ['State:failed web', ''],
])('of %s the keys that there are not are told', (query, words) => {
  if (words === '') expect(unknownKeys(query)).toBe('');
  else expect(unknownKeys(query)).toContain(words);
});
