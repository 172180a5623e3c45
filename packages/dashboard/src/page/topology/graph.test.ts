import { expect, it } from 'vitest';
import type { MeshEndpoint, MeshNode } from '../../model.js';
import { graphOf } from './graph.js';

const node: MeshNode = {
  kind: 'node',
  id: 'a',
  address: '',
  version: '',
  security: '',
  unseen: '',
  troubles: [],
  state: 'STOPPED',
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
  unavailable: 'its manager is stopped',
};

it('says of a node how it is, and of an endpoint in trouble why', () => {
  const { boxes, chips } = graphOf({ nodes: [node], endpoints: [endpoint], connections: [] });
  expect(boxes).toMatchObject([{ title: 'a · stopped', state: 'STOPPED' }]);
  expect(chips).toMatchObject([{ subtitle: 'vpn', note: 'unavailable', isTroubled: true }]);
});
