// On the cluster of KUBECONFIG: managers are found by Services of their own, and kubectl shows what is there and what is wrong.
import {
  endpointSlices,
  KubeClient,
  type KubeConfig,
  loadKubeConfig,
  namespaces,
  services,
} from '@nsm/kube-client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { endpoint, nodeA, nodeB, until } from '../compliance/compliance-harness.js';
import { KubernetesRegistry } from './kubernetes-registry.js';
import { endpointObjects, managerObjects, policyObjects, serviceObjects } from './mesh-objects.js';

const home = `nsm-test-found-${process.pid}`;
const within = { timeout: 20_000, interval: 100 };
let kube: KubeClient;
let kubeConfig: KubeConfig;
let registry: KubernetesRegistry;

beforeAll(async () => {
  kubeConfig = await loadKubeConfig();
  kube = new KubeClient(kubeConfig);
  await kube.apply(namespaces, { metadata: { name: home } });
  registry = new KubernetesRegistry('kubernetes:', { kubeConfig, namespace: home, keeperLeaseMs: 1500 });
  await registry.start();
});
afterAll(async () => {
  await registry.stop();
  await kube.delete(namespaces, { name: home });
  kube.stop();
});

const addressesOf = async (name: string): Promise<readonly string[] | undefined> => {
  const slice = await kube.get(endpointSlices, { name, namespace: home }).catch(() => undefined);
  return slice?.endpoints.flatMap(({ addresses }) => addresses);
};

it('makes a Service for each manager, follows its address, and takes it away', async () => {
  await registry.registerManager(nodeA, 60_000);
  await registry.registerManager({ name: 'Node_B.example', address: '[fd00::2]:5001' }, 60_000);
  expect(await addressesOf('node-a')).toEqual(['10.0.0.1']);
  expect((await kube.get(services, { name: 'node-a', namespace: home })).spec).toMatchObject({
    clusterIP: 'None',
  });
  await registry.endLease('node-a');
  await registry.registerManager({ ...nodeA, address: '10.0.0.1:5002' }, 60_000);
  const slice = await kube.get(endpointSlices, { name: 'node-a', namespace: home });
  expect(slice.ports).toMatchObject([{ port: 5002 }]);
  await registry.registerManager({ ...nodeB, address: 'ensm.example.com:5001', external: true }, 60_000);
  const outside = await kube.get(services, { name: 'node-b', namespace: home });
  expect(outside.spec).toMatchObject({ type: 'ExternalName', externalName: 'ensm.example.com' });
  for (const name of ['node-a', 'Node_B.example', 'node-b']) await registry.removeManager(name);
  await kube.list(services, { namespace: home }, (left) => expect(left).toEqual([]));
});

it('shows operators the state of endpoints and services, and what is wrong with them', async () => {
  await registry.registerManager(nodeA, 1500);
  await registry.registerEndpoint(endpoint('fw', { nseProviderNamespace: home }));
  await kube.apply(serviceObjects, {
    metadata: { name: 'firewall', namespace: home },
    spec: { prefixes: ['10.60.0.0/16'] },
  });
  const spec = { networkServiceName: 'vpn', networkServiceHost: 'nobody' };
  await kube.apply(endpointObjects, { metadata: { name: 'orphan', namespace: home }, spec });
  const statusOf = async (name: string): Promise<object | undefined> =>
    (await kube.get(endpointObjects, { name, namespace: home })).status;
  const service = async (): Promise<object | undefined> =>
    (await kube.get(serviceObjects, { name: 'firewall', namespace: home })).status;
  await vi.waitFor(
    async () => expect(await statusOf('fw.firewall')).toEqual({ state: 'Serving', manager: 'node-a' }),
    within,
  );
  await vi.waitFor(
    async () =>
      expect(await statusOf('orphan')).toMatchObject({
        state: 'Lost',
        message: 'there is no NetworkServiceManager nobody',
      }),
    within,
  );
  await vi.waitFor(async () => expect(await service()).toEqual({ endpoints: 1, state: 'Available' }), within);
  await kube.patch(serviceObjects, { name: 'firewall', namespace: home }, { spec: { policy: 'teams' } });
  await vi.waitFor(
    async () => expect(await service()).toMatchObject({ endpoints: 1, state: 'NoPolicy' }),
    within,
  );
  await kube.apply(policyObjects, {
    metadata: { name: 'teams', namespace: home },
    spec: { rules: [{ name: 'all', effect: 'allow' }] },
  });
  await vi.waitFor(async () => expect(await service()).toEqual({ endpoints: 1, state: 'Available' }), within);
  await registry.endLease('node-a');
  await vi.waitFor(
    async () => expect(await statusOf('fw.firewall')).toMatchObject({ state: 'Stopped' }),
    within,
  );
  await vi.waitFor(
    async () => expect(await service()).toEqual({ endpoints: 0, state: 'NoEndpoint' }),
    within,
  );
  await registry.removeManager('node-a');
});

it('refuses objects that are no records, with words', async () => {
  const metadata = { name: 'wrong', namespace: home };
  await expect(
    kube.apply(managerObjects, { metadata, spec: { name: 'wrong', address: 'nowhere' } }),
  ).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('an address must be HOST:PORT'),
  });
  await expect(
    kube.apply(managerObjects, { metadata, spec: { name: 'other', address: '10.0.0.1:5001' } }),
  ).rejects.toThrow('spec.name must be the name of the object');
  for (const field of ['version', 'trustDomain'])
    await expect(
      kube.apply(managerObjects, {
        metadata,
        spec: { name: 'wrong', address: '10.0.0.1:5001', [field]: 'a b' },
      }),
    ).rejects.toThrow(`spec.${field}`);
  await expect(kube.apply(serviceObjects, { metadata, spec: { prefixes: ['10.0.0.0'] } })).rejects.toThrow(
    'a prefix must be like',
  );
  const spec = { networkServiceName: 'vpn', networkServiceHost: 'nobody' };
  await kube.apply(endpointObjects, { metadata, spec });
  await expect(
    kube.apply(endpointObjects, { metadata, spec: { ...spec, networkServiceName: 'other' } }),
  ).rejects.toThrow('an endpoint stays with its network service');
});

it('loses nothing of what several managers write at once', async () => {
  const others = await Promise.all(
    [1, 2, 3, 4].map(async (n) => {
      const other = new KubernetesRegistry('kubernetes:', {
        kubeConfig,
        namespace: home,
        keeperLeaseMs: 1500,
      });
      await other.start();
      await other.registerManager({ name: `node-${n}`, address: `10.0.1.${n}:5001` }, 60_000);
      return other;
    }),
  );
  await Promise.all(
    others.flatMap((other, m) =>
      Array.from({ length: 25 }, (_, n) =>
        other.registerEndpoint(
          endpoint(`fw-${n}`, { networkServiceName: `s-${m}`, networkServiceHost: `node-${m + 1}` }),
        ),
      ),
    ),
  );
  await until(
    registry,
    () =>
      [...registry.endpoints()].filter(({ networkServiceName: name }) => /^s-\d/.test(name)).length === 100,
  );
  for (const [m, other] of others.entries()) {
    await other.removeManager(`node-${m + 1}`);
    await other.stop();
  }
});
