// Two tenants whose policy keeps them apart: by the Kubernetes namespace, the service account and the labels of their pods.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { system } from './installation.js';
import { application, endpoints } from './pods.js';
import { restricted, withSockets } from './restricted.js';
import { TestNamespace } from './test-namespace.js';

const key = 'networkservicemesh.io';

describe('two tenants', () => {
  let red: TestNamespace;
  let blue: TestNamespace;

  beforeAll(async () => {
    [red, blue] = await Promise.all([
      TestNamespace.create('tenant-red'),
      TestNamespace.create('tenant-blue'),
    ]);
    const ofRed = { kubernetes: { namespace: [red.name], labels: { tenant: 'red' } } };
    await system.apply({
      apiVersion: 'networkservicemesh.io/v1',
      kind: 'NetworkServicePolicy',
      metadata: { name: 'tenants' },
      spec: {
        rules: [
          {
            name: 'red-provides',
            effect: 'allow',
            actions: ['provide'],
            services: ['tenant-red'],
            subjects: [ofRed],
          },
          {
            name: 'red-asks',
            effect: 'allow',
            actions: ['request'],
            services: ['tenant-red'],
            subjects: [ofRed],
          },
          { name: 'red-is-reds', effect: 'deny', services: ['tenant-red'] },
          { name: 'others', effect: 'allow' },
        ],
      },
    });
    await managersWith('NSM_POLICY=kubernetes:');
    await red.apply(
      withSockets(endpoints('echo', 'icmp-responder', 'tenant-red', { labels: { tenant: 'red' } })),
    );
    await red.rolledOut('deployment/echo');
  });
  afterAll(async () => {
    await managersWith('NSM_POLICY-');
    await system.kubectl(['delete', 'networkservicepolicy', 'tenants', '--ignore-not-found']);
    await red[Symbol.asyncDispose]();
    await blue[Symbol.asyncDispose]();
  });

  async function managersWith(variable: string): Promise<void> {
    await system.kubectl(['set', 'env', 'daemonset/nsm-manager', variable]);
    await system.rolledOut('daemonset/nsm-manager');
  }

  const annotations = { [key]: 'kernel://tenant-red/nsm-1' };
  const refused =
    'jsonpath={.status.conditions[?(@.type=="networkservicemesh.io/connected")].reason}=NotConnected';

  async function messageOf(where: TestNamespace, pod: string): Promise<string | undefined> {
    const { status } = await where.get(`pod/${pod}`);
    const conditions = status?.conditions as readonly { type: string; message?: string }[];
    return conditions.find(({ type }) => type === `${key}/connected`)?.message;
  }

  it('have the services of their own, and are refused those of the other by the rule', async () => {
    await red.apply(restricted(application('mine', { annotations, labels: { tenant: 'red' } })));
    await red.until('pod/mine', 'condition=Ready');
    await blue.apply(restricted(application('theirs', { annotations, labels: { tenant: 'red' } })));
    await blue.until('pod/theirs', refused, 20);
    expect(await messageOf(blue, 'theirs')).toMatch(/red-is-reds.*\(NSM0106\)/);
  });

  it('are judged anew when their labels change', async () => {
    await red.apply(restricted(application('changing', { annotations, labels: { tenant: 'green' } })));
    await red.until('pod/changing', refused, 20);
    await red.kubectl(['label', 'pod', 'changing', '--overwrite', 'tenant=red']);
    await red.until('pod/changing', 'condition=Ready');
    await red.kubectl(['label', 'pod', 'changing', '--overwrite', 'tenant=green']);
    await red.until('pod/changing', refused, 20);
    expect(await red.exec('changing', ['ls', '/sys/class/net'])).not.toMatch(/nsm/);
  });
});
