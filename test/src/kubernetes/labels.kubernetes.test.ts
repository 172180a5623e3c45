// A policy that knows pods by their labels, and labels that change while the pod runs.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { system } from './installation.js';
import { application, endpoints } from './pods.js';
import { restricted, withSockets } from './restricted.js';
import { TestNamespace } from './test-namespace.js';

const key = 'networkservicemesh.io';

describe('a pod whose labels decide what it may have', () => {
  let here: TestNamespace;

  beforeAll(async () => {
    here = await TestNamespace.create('labels');
    const subjects = [{ kubernetes: { namespace: [here.name], labels: { tenant: 'red' } } }];
    const rule = { name: 'red', effect: 'allow', services: ['of-red'], subjects };
    await system.apply({
      apiVersion: 'networkservicemesh.io/v1',
      kind: 'NetworkServicePolicy',
      metadata: { name: 'labels' },
      spec: { rules: [rule] },
    });
    await system.until('nspol/labels', 'jsonpath={.status.state}=InForce');
    await here.apply(
      withSockets(endpoints('echo', 'icmp-responder', 'of-red', { labels: { tenant: 'red' } })),
    );
    await here.rolledOut('deployment/echo');
  });
  afterAll(async () => {
    await system.kubectl(['delete', 'nspol/labels', '--ignore-not-found']);
    await here[Symbol.asyncDispose]();
  });

  it('is judged anew when they change', async () => {
    const refused =
      'jsonpath={.status.conditions[?(@.type=="networkservicemesh.io/connected")].reason}=NotConnected';
    const annotations = { [key]: 'kernel://of-red/nsm-1' };
    await here.apply(restricted(application('changing', { annotations, labels: { tenant: 'green' } })));
    await here.until('pod/changing', refused);
    await here.kubectl(['label', 'pod', 'changing', '--overwrite', 'tenant=red']);
    await here.until('pod/changing', 'condition=Ready');
    await here.kubectl(['label', 'pod', 'changing', '--overwrite', 'tenant=green']);
    await here.until('pod/changing', refused);
    expect(await here.exec('changing', ['ls', '/sys/class/net'])).not.toMatch(/nsm/);
  });
});
