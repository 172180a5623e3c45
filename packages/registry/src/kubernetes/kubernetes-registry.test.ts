// What a registry on Kubernetes asks of the API server, and when: counted at a server of its own.
import { KubeClient, leases } from '@nsm/kube-client';
import { FakeApi } from '@nsm/kube-client/fake-api';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { endpoint, leaseMs, nodeA, until } from '../compliance/compliance-harness.js';
import { endpointKey } from '../records/valid-record.js';
import { KubernetesRegistry } from './kubernetes-registry.js';
import { managerObjects, serviceObjects } from './mesh-objects.js';
import { keptEndpoint } from './record-objects.js';

const endpoints = '/apis/networkservicemesh.io/v1/namespaces/default/networkserviceendpoints';
const managers = '/apis/networkservicemesh.io/v1/namespaces/mesh/networkservicemanagers';
let api: FakeApi;
let registry: KubernetesRegistry;

beforeEach(async () => {
  api = new FakeApi();
  await api.start();
  registry = new KubernetesRegistry('kubernetes:mesh', {
    kubeConfig: api.config,
    namespace: 'mesh',
    // Nothing of it falls into a test.
    keeperLeaseMs: 3_600_000,
  });
  await registry.start();
});
afterEach(async () => {
  await registry.stop();
  await api.stop();
});

it('answers everything from its copy: no call of the API for a connection', async () => {
  await registry.registerManager(nodeA, 3_600_000);
  await registry.registerEndpoint(endpoint('fw'));
  await until(
    registry,
    () => registry.endpointsOf('firewall').length === 1 && registry.managers().size === 1,
  );
  await settled();
  const before = api.calls.length;
  for (let n = 0; n < 1000; n++) {
    expect(registry.endpointsOf('firewall')).toHaveLength(1);
    expect([...registry.endpoints()]).toHaveLength(1);
    expect(registry.managers().get('node-a')?.alive).toBe(true);
  }
  expect(api.calls.slice(before)).toEqual([]);
});

it('renews its lease the more seldom the more managers there are', async () => {
  const kube = new KubeClient(api.config);
  for (let n = 0; n < 150; n++)
    await kube.create(managerObjects, {
      metadata: { name: `other-${n}`, namespace: 'mesh' },
      spec: { name: `other-${n}`, address: '10.0.0.9:5001' },
    });
  await registry.registerManager(nodeA, leaseMs);
  await until(registry, () => registry.managers().size === 151);
  await until(registry, () => registry.managers().get('node-a')?.alive === true);
  await settled();
  const before = api.calls.length;
  const lease = { name: 'manager-node-a', namespace: 'mesh' };
  expect((await kube.get(leases, lease)).spec?.leaseDurationSeconds).toBe(3);
  // From now on the lease holds for twice that.
  await registry.registerManager(nodeA, leaseMs);
  expect((await kube.get(leases, lease)).spec?.leaseDurationSeconds).toBe(6);
  await registry.registerManager(nodeA, leaseMs);
  expect(api.calls.slice(before).filter((call) => call.startsWith('PATCH'))).toHaveLength(1);
  kube.stop();
});

it('renews a lease by one call, and writes loads only when they are others', async () => {
  await registry.registerManager(nodeA, leaseMs);
  await registry.registerEndpoint(endpoint('fw'));
  const key = endpointKey(endpoint('fw'));
  await until(
    registry,
    () => registry.endpointsOf('firewall').length === 1 && registry.managers().get('node-a')?.alive === true,
  );
  await settled();
  let before = api.calls.length;
  await registry.registerManager(nodeA, leaseMs);
  expect(api.calls.slice(before)).toEqual([
    'PATCH /apis/coordination.k8s.io/v1/namespaces/mesh/leases/manager-node-a?fieldManager=nsm',
  ]);
  before = api.calls.length;
  await registry.tellLoads(
    new Map([
      [key, 7],
      ['unknown/default/none', 1],
    ]),
  );
  expect(api.calls.slice(before)).toEqual([`PATCH ${endpoints}/fw.firewall/status?fieldManager=nsm`]);
  await vi.waitFor(async () => {
    before = api.calls.length;
    await registry.tellLoads(new Map([[key, 7]]));
    expect(api.calls.slice(before)).toEqual([]);
  });
});

it('frees the name of a manager whose lease nobody renews, though nobody writes that down', async () => {
  const lease = '/apis/coordination.k8s.io/v1/namespaces/mesh/leases/manager-node-a';
  api.put(`${managers}/node-a`, { spec: { ...nodeA, leaseMs: 1000 }, status: { state: 'Alive' } });
  api.put(lease, { spec: { holderIdentity: 'node-a' } });
  const again = (): Promise<void> =>
    registry.registerManager({ ...nodeA, address: '10.0.0.9:5001' }, leaseMs);
  await expect(again()).rejects.toMatchObject({ kind: 'conflict' });
  api.put(lease, { spec: { holderIdentity: 'node-a', renewTime: 'now' } });
  await expect(again()).rejects.toMatchObject({ kind: 'conflict' });
  await vi.waitFor(again, { timeout: 5000, interval: 100 });
  await until(registry, () => registry.managers().get('node-a')?.address === '10.0.0.9:5001');
});

it('takes what was written by hand, and nothing that is no record', async () => {
  const spec = { networkServiceName: 'vpn', networkServiceHost: 'ensm' };
  api.put(`${managers}/ensm`, { spec: { name: 'ensm', address: '203.0.113.7:5001', external: true } });
  api.put(`${endpoints}/gw`, { spec });
  api.put(`${endpoints}/spoofed`, { spec: { ...spec, nseProviderNamespace: 'kube-system' } });
  api.put(`${endpoints}/broken`, { spec: { ...spec, networkServiceName: '../etc' } });
  api.put(`${endpoints}/foreign`, {
    spec,
    metadata: { labels: { 'networkservicemesh.io/mesh': 'another' } },
  });
  await until(registry, () => registry.endpointsOf('vpn').length === 1 && registry.managers().size === 1);
  await settled();
  expect([...registry.endpoints()]).toMatchObject([
    { nseProviderName: 'gw', nseProviderNamespace: 'default', networkServiceHost: 'ensm' },
  ]);
  expect(registry.managers().get('ensm')).toMatchObject({
    alive: true,
    external: true,
    address: '203.0.113.7:5001',
  });
});

it('tells what is said of a network service', async () => {
  const services = '/apis/networkservicemesh.io/v1/namespaces/mesh/networkservices';
  expect(registry.settingsOf('vpn')).toBeUndefined();
  api.put(`${services}/of-vpn`, {
    spec: { name: 'vpn', prefixes: ['10.61.0.0/16'], selector: { tier: 'a' } },
  });
  api.put(`${services}/plain`, { spec: {} });
  await vi.waitFor(() =>
    expect(registry.settingsOf('vpn')).toEqual({ prefixes: ['10.61.0.0/16'], selector: { tier: 'a' } }),
  );
  await vi.waitFor(() => expect(registry.settingsOf('plain')).toEqual({ prefixes: [], selector: {} }));
});

it('writes down what a network service lacks: the policy that it refers to, or an endpoint', async () => {
  const ours = '/apis/networkservicemesh.io/v1/namespaces/mesh';
  const kube = new KubeClient(api.config);
  const status = async (): Promise<object | undefined> =>
    (await kube.get(serviceObjects, { name: 'vpn', namespace: 'mesh' })).status;
  api.put(`${ours}/networkservices/vpn`, { spec: { policy: 'teams' } });
  await vi.waitFor(
    async () =>
      expect(await status()).toMatchObject({ state: 'NoPolicy', message: expect.stringMatching(/teams/) }),
    3000,
  );
  api.put(`${ours}/networkservicepolicies/teams`, { spec: { rules: [] } });
  await vi.waitFor(async () => expect(await status()).toMatchObject({ state: 'NoEndpoint' }), 3000);
  kube.stop();
});

it('keeps one record of an endpoint, whatever becomes of its status', async () => {
  const spec = { networkServiceName: 'vpn', networkServiceHost: 'ensm', nseProviderName: 'gw' };
  api.put(`${endpoints}/gw`, { spec });
  await until(registry, () => registry.endpointsOf('vpn').length === 1);
  const [record] = registry.endpointsOf('vpn');
  const heard: string[] = [];
  using _watch = registry.watch(({ event }) => heard.push(event.case ?? ''));
  heard.length = 0;
  api.put(`${endpoints}/gw`, { spec, status: { state: 'Serving', load: 3 } });
  await settled();
  expect(heard).toEqual([]);
  expect(registry.endpointsOf('vpn')[0]).toBe(record);
  const object = { metadata: { name: 'gw', namespace: 'default' }, spec };
  const before = keptEndpoint(object, 'mesh');
  expect(keptEndpoint({ ...object, status: { load: 4 } }, 'mesh', before).record).toBe(before.record);
  const changed = { ...object, spec: { ...spec, socketLocation: '/other' } };
  expect(keptEndpoint(changed, 'mesh', before).record?.socketLocation).toBe('/other');
});

it('knows an endpoint until the last object of it is gone', async () => {
  const spec = { networkServiceName: 'vpn', networkServiceHost: 'ensm', nseProviderName: 'gw' };
  api.put(`${endpoints}/one`, { spec: { ...spec, socketLocation: '/one' } });
  api.put(`${endpoints}/two`, { spec: { ...spec, socketLocation: '/two' } });
  await until(registry, () => registry.endpointsOf('vpn').length === 1);
  await settled();
  expect(registry.endpointsOf('vpn')[0]?.socketLocation).toBe('/one');
  api.remove(`${endpoints}/one`);
  await until(registry, () => registry.endpointsOf('vpn')[0]?.socketLocation === '/two');
  api.remove(`${endpoints}/two`);
  await until(registry, () => registry.endpointsOf('vpn').length === 0);
});

it('says what to do when the cluster lacks its kinds, or refuses', async () => {
  api.answer = (call) => (call.startsWith('PATCH') ? 403 : undefined);
  await expect(registry.registerEndpoint(endpoint('fw'))).rejects.toMatchObject({
    kind: 'registry',
    message: expect.stringMatching(/^registry kubernetes:mesh: apply networkserviceendpoints.*grant it/),
  });
});

/** What was under way has come. */
async function settled(): Promise<void> {
  for (let calls = -1; calls !== api.calls.length; ) {
    calls = api.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
