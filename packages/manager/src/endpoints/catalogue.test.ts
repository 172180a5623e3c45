// What an operator says of a network service counts for all of its clients.
import { create } from '@bufbuild/protobuf';
import { InterfaceType, LabelSchema, NetworkServiceEndpointSchema } from '@nsm/api';
import { expect, it } from 'vitest';
import { Catalogue, type CatalogueComponents } from './catalogue.js';

const endpoints = ['stable', 'canary'].map((version) =>
  create(NetworkServiceEndpointSchema, {
    networkServiceName: 'firewall',
    networkServiceHost: 'node-a',
    nseProviderName: version,
    interface: [{ type: InterfaceType.KERNEL_INTERFACE }],
    labels: { selector: { version } },
  }),
);
const catalogue = new Catalogue(
  {
    registry: {
      synced: true,
      endpoints: () => endpoints,
      endpointsOf: () => endpoints,
      managers: () => new Map(),
      settingsOf: (service: string) =>
        service === 'firewall' ? { prefixes: [], selector: { version: 'stable' } } : undefined,
    },
    endpoints: { isWithheld: () => false, records: () => [] },
    connections: { countOf: () => 0 },
    health: { recentFailure: () => undefined, lastChosen: () => 0 },
    gate: {
      isRuled: false,
      narrow: (_: unknown, __: unknown, interfaces: unknown) => ({
        interfaces,
        verdict: { allowed: true, rule: '' },
      }),
    },
    abilities: {
      wirings: { locally: () => true, remotely: () => true, list: () => 'all' },
      missingCapabilities: { ofInterfaces: () => undefined },
      physical: {},
    },
  } as unknown as CatalogueComponents,
  'node-a',
);
const reasons = (labels: Record<string, string> | undefined): string[] =>
  catalogue
    .rank({
      service: 'firewall',
      labels: labels && create(LabelSchema, { selector: labels }),
      interfaces: [],
    })
    .map(({ endpoint, reason }) => `${endpoint.nseProviderName}: ${reason}`);

it('a choice asks for the labels of the service, unless the client asks for others', () => {
  expect(reasons(undefined)).toContain('canary: label version=stable (has canary) does not match');
  expect(reasons({ version: 'canary' })).toContain(
    'stable: label version=canary (has stable) does not match',
  );
});

it('tells of endpoints of this node whose name another manager has, as long as that one is alive', () => {
  const [own] = endpoints;
  const other = { ...own, networkServiceHost: 'node-b' };
  const displaced = (record: unknown, alive: boolean) =>
    new Catalogue(
      {
        registry: { endpoints: () => [record], managers: () => new Map([['node-b', { alive }]]) },
        endpoints: { records: () => [own] },
      } as unknown as CatalogueComponents,
      'node-a',
    ).displaced();
  expect(displaced(other, true)).toEqual([{ endpoint: own, by: 'node-b' }]);
  expect(displaced(other, false)).toEqual([]);
  expect(displaced(own, true)).toEqual([]);
});
