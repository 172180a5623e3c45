// What the cluster's API tells of the mesh, and what of it goes with a manager that leaves.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { managerNodes, managerPod, nobodyConnected, system } from './installation.js';
import { application, endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

/** A label that no node has. */
const nowhere = 'nsm-test/nowhere';

describe('the registry', () => {
  let here: TestNamespace;
  beforeAll(async () => {
    here = await TestNamespace.create('registry');
  });
  afterAll(async () => {
    await here[Symbol.asyncDispose]();
  });

  it('shows an endpoint beside its pod, with which it ends, and the service that it provides', async () => {
    const service = { metadata: { name: 'shown' }, spec: { prefixes: ['10.62.0.0/24'] } };
    await system.apply({ apiVersion: 'networkservicemesh.io/v1', kind: 'NetworkService', ...service });
    await here.apply(endpoints('shown', 'icmp-responder', 'shown'));
    await here.rolledOut('deployment/shown');
    await system.until('netsvc/shown', 'jsonpath={.status.state}=Available');
    const [endpoint] = await here.list('nse');
    expect(endpoint).toMatchObject({
      spec: { networkServiceName: 'shown' },
      metadata: { ownerReferences: [{ kind: 'Pod', name: expect.stringMatching(/^shown-/) }] },
    });
    await here.kubectl(['scale', 'deployment/shown', '--replicas=0']);
    await here.until(`nse/${endpoint?.metadata.name}`, 'delete');
    await system.until('netsvc/shown', 'jsonpath={.status.state}=NoEndpoint');
    await system.remove('netsvc/shown');
  });

  it('gives each manager a name in the cluster’s DNS', async () => {
    await here.apply(application('asks'));
    await here.until('pod/asks', 'condition=Ready');
    for (const node of await managerNodes()) {
      const [service] = await system.list('services', `networkservicemesh.io/manager=${node}`);
      const answer = await here.exec('asks', [
        'nslookup',
        `${service?.metadata.name}.${system.name}.svc.cluster.local`,
      ]);
      const { status } = await system.get<{ readonly status: { readonly hostIP: string } }>(
        `pod/${await managerPod(node)}`,
      );
      expect(answer).toContain(`: ${status.hostIP}\n`);
    }
  });

  it('forgets managers that leave without connections, and all that was theirs', async () => {
    await nobodyConnected();
    await system.kubectl(['patch', 'daemonset/nsm-manager', '--patch', nodes('there')]);
    try {
      await expect.poll(() => system.list('nsmgr'), { timeout: 30_000 }).toEqual([]);
      const theirs = 'networkservicemesh.io/manager';
      await expect
        .poll(() => system.list('services,endpointslices,leases', theirs), { timeout: 30_000 })
        .toEqual([]);
    } finally {
      await system.kubectl(['patch', 'daemonset/nsm-manager', '--patch', nodes(null)]);
      await system.rolledOut('daemonset/nsm-manager');
    }
  });
});

const nodes = (value: string | null): string =>
  JSON.stringify({ spec: { template: { spec: { nodeSelector: { [nowhere]: value } } } } });
