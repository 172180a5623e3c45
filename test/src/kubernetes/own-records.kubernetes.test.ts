// What a manager may write with its token: its own record and its own endpoints. Whoever takes one node has no other node's.
import { KubeClient, loadKubeConfig } from '@nsm/kube-client';
import { endpointObjects, managerObjects } from '@nsm/registry/mesh-objects';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { managerNodes, managerPod, system } from './installation.js';
import { TestNamespace } from './test-namespace.js';

const apiVersion = 'networkservicemesh.io/v1';
const status = { subresource: 'status' } as const;

describe("a manager's token", () => {
  let here: TestNamespace;
  let node: string;
  let kube: KubeClient;
  const endpoint = (name: string, networkServiceHost: string) => ({
    metadata: { name, namespace: here.name },
    spec: { networkServiceName: 'owned', networkServiceHost },
  });
  const foreign = () => ({ name: 'foreign', namespace: here.name });
  const elsewhere = { name: 'elsewhere', namespace: system.name };
  const makeElsewhere = (): Promise<void> =>
    system.apply({
      apiVersion,
      kind: 'NetworkServiceManager',
      metadata: elsewhere,
      spec: { name: 'elsewhere', address: '203.0.113.9:5001' },
    });

  beforeAll(async () => {
    here = await TestNamespace.create('owned');
    [node = ''] = await managerNodes();
    const bound = ['--bound-object-kind=Pod', `--bound-object-name=${await managerPod(node)}`];
    const token = (await system.kubectl(['create', 'token', 'nsm-manager', ...bound])).trim();
    kube = new KubeClient({ ...(await loadKubeConfig()), credentials: { token: async () => token } });
    await makeElsewhere();
    const kind = 'NetworkServiceEndpoint';
    await here.apply({ apiVersion, kind, ...endpoint('foreign', 'elsewhere') });
    await kube.create(endpointObjects, endpoint('mine', node));
  });
  afterAll(async () => {
    kube.stop();
    await system.remove('nsmgr/elsewhere', '--ignore-not-found');
    await here[Symbol.asyncDispose]();
  });

  it('writes the endpoints of its node, and no others', async () => {
    const change = { spec: { socketLocation: '/run/x.sock' } };
    const { metadata } = await kube.create(endpointObjects, endpoint('more', node));
    await kube.patch(endpointObjects, metadata, change);
    await kube.delete(endpointObjects, metadata);
    const refused = /may not write endpoints of manager elsewhere/;
    await expect(kube.create(endpointObjects, endpoint('more', 'elsewhere'))).rejects.toThrow(refused);
    await expect(kube.patch(endpointObjects, foreign(), change)).rejects.toThrow(refused);
    await expect(kube.delete(endpointObjects, foreign())).rejects.toThrow(refused);
  });

  it('takes over no endpoint whose manager is there', async () => {
    await here.until('nse/foreign', 'jsonpath={.status.state}=Serving');
    const taken = { spec: { networkServiceHost: node } };
    await expect(kube.patch(endpointObjects, foreign(), taken)).rejects.toThrow(
      /manager elsewhere serves this endpoint/,
    );
    await system.remove('nsmgr/elsewhere');
    await here.until('nse/foreign', 'jsonpath={.status.state}=Lost');
    await kube.patch(endpointObjects, foreign(), taken);
    const givenBack = JSON.stringify({ spec: { networkServiceHost: 'elsewhere' } });
    await here.kubectl(['patch', 'nse/foreign', '--type=merge', '--patch', givenBack]);
    await makeElsewhere();
  });

  it('tells the load of its own endpoints', async () => {
    const change = { status: { load: 3 } };
    await kube.patch(endpointObjects, { name: 'mine', namespace: here.name }, change, status);
    await expect(kube.patch(endpointObjects, foreign(), change, status)).rejects.toThrow(
      /load of this endpoint is for manager elsewhere/,
    );
  });

  it('says of no other manager that it is alive, or has another address', async () => {
    const refused = /may not write the record of manager elsewhere/;
    const moved = { spec: { address: '203.0.113.66:5001' } };
    await expect(
      kube.patch(managerObjects, elsewhere, { status: { state: 'Alive' } }, status),
    ).rejects.toThrow(refused);
    await expect(kube.patch(managerObjects, elsewhere, moved)).rejects.toThrow(refused);
    await expect(kube.delete(managerObjects, elsewhere)).rejects.toThrow(refused);
    // Whichever manager keeps the records says who is lost.
    await kube.patch(managerObjects, elsewhere, { status: { state: 'Lost' } }, status);
  });
});
