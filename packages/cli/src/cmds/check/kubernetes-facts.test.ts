// What is asked of a cluster, and what becomes of answers, by an API server in memory.
import { KubeClient } from '@nsm/kube-client';
import { FakeApi } from '@nsm/kube-client/fake-api';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { askCluster } from './kubernetes-facts.js';

let api: FakeApi;
let client: KubeClient;
beforeEach(async () => {
  api = new FakeApi();
  await api.start();
  client = new KubeClient(api.config);
});
afterEach(async () => {
  client.stop();
  await api.stop();
});

const ask = () => askCluster(client, { namespace: 'nsm-system', pre: false });

it('takes a server that refuses for one that answers, and says who may ask', async () => {
  api.answer = () => 403;
  const facts = await ask();
  expect(facts.api).toEqual({ told: expect.any(Number) });
  for (const asked of [facts.denied, facts.missingKinds, facts.webhook, facts.sockets, facts.waiting])
    expect(asked).toEqual({ why: expect.stringContaining('kubeconfig of an administrator') });
});

it('finds the kinds that are missing, and what nobody serves', async () => {
  api.answer = (call) => (call.includes('/networkservicepolicies') ? 404 : undefined);
  api.put('/api/v1/nodes/n1', {
    metadata: { name: 'n1' },
    status: { allocatable: { 'networkservicemesh.io/socket': '100' } },
  });
  api.put('/api/v1/nodes/n2', { metadata: { name: 'n2' } });
  // As the API writes a Service without pods.
  api.put('/apis/discovery.k8s.io/v1/namespaces/nsm-system/endpointslices/w', {
    metadata: { name: 'w' },
    endpoints: null,
  });
  expect(await ask()).toMatchObject({
    missingKinds: { told: ['networkservicepolicies.networkservicemesh.io'] },
    webhook: { told: undefined },
    webhookReady: { told: 0 },
    sockets: {
      told: [
        { node: 'n1', sockets: 100 },
        { node: 'n2', sockets: undefined },
      ],
    },
    waiting: { told: [] },
  });
});
