// What an API server tells of a cluster's networks, and what is known while it tells nothing.
import { type KubeClient, KubeError, type Resource } from '@nsm/kube-client';
import { afterEach, expect, it } from 'vitest';
import { KubernetesNetworks } from './cluster-networks.js';

const nodes = [
  {
    metadata: { name: 'a', resourceVersion: '1' },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd24:1::/64'] },
    status: {
      addresses: [
        { type: 'InternalIP', address: '192.0.2.1' },
        { type: 'Hostname', address: 'a' },
      ],
    },
  },
  { metadata: { name: 'b', resourceVersion: '1' }, spec: {}, status: { addresses: [] } },
];
const services = [{ metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/12'] } }];

/** Kinds whose lists fail, by plural, and how. */
const failing = new Map<string, number>();
const client = {
  async list({ plural }: Resource<never>, _selection: object, page: (items: readonly object[]) => void) {
    const status = failing.get(plural);
    if (status !== undefined) throw new KubeError('no', status, '');
    page(plural === 'nodes' ? nodes : services);
    return '1';
  },
  async watch(_resource: object, _selection: object, signal: AbortSignal) {
    return (async function* () {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    })();
  },
  versionOf: async () => '1',
} as unknown as KubeClient;

let networks: KubernetesNetworks;

const start = async (patienceMs: number): Promise<readonly string[] | undefined> => {
  networks = new KubernetesNetworks(client, { info: () => undefined, warn: () => undefined });
  await networks.start(patienceMs);
  return networks.prefixes;
};

afterEach(async () => {
  failing.clear();
  await networks[Symbol.asyncDispose]();
});

const ofNodes = ['10.244.1.0/24', 'fd24:1::/64', '192.0.2.1/32'];

it('has the Pods of nodes, their addresses, and Services', async () => {
  expect(await start(3000)).toEqual([...ofNodes, '10.96.0.0/12']);
});

it('does without Services where the cluster does not tell of them', async () => {
  failing.set('servicecidrs', 404);
  expect(await start(3000)).toEqual(ofNodes);
});

it.each(['nodes', 'servicecidrs'])('knows nothing while %s are not told', async (plural) => {
  failing.set(plural, 0);
  expect(await start(50)).toBeUndefined();
  const told = new Promise<void>((resolve) => networks.onChange(resolve));
  failing.clear();
  await told;
  expect(networks.prefixes).toEqual([...ofNodes, '10.96.0.0/12']);
});
