// A network service whose Deployment is rolled, scaled to nothing and back, and its clients, that nobody touches.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, attached, pingEndpoint, podOf } from './annotated.js';
import { eventually } from './eventually.js';
import { managerNodes } from './installation.js';
import { endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const clients = ['deployment/near', 'deployment/far'];

describe('the Deployment of a network service', () => {
  let here: TestNamespace;

  beforeAll(async () => {
    here = await TestNamespace.create('endpoints');
    const nodes = await managerNodes();
    const [first = '', second = ''] = [nodes[0], nodes.at(-1)];
    await here.apply(
      endpoints('echo', 'icmp-responder', 'rolled-echo', { node: first, replicas: 2 }),
      attached('near', 'rolled-echo', { node: first }),
      attached('far', 'rolled-echo', { node: second }),
    );
    for (const name of ['deployment/echo', ...clients]) await here.rolledOut(name);
  });

  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
  });

  it('is rolled without a lost packet', async () => {
    const pings = [];
    for (const client of clients) pings.push(await pingEndpoint(here, client));
    const before = new Set((await here.list('pods', 'app=echo')).map(({ metadata }) => metadata.uid));
    await here.kubectl(['rollout', 'restart', 'deployment/echo']);
    await here.rolledOut('deployment/echo');
    await eventually('the former endpoints have ended', async () =>
      (await here.list('pods', 'app=echo')).every(({ metadata }) => !before.has(metadata.uid)),
    );
    for (const ping of pings) expect(await ping.stop()).toMatchObject({ lost: 0 });
  });

  it('is scaled to nothing: its clients tell so, and have it again when it is there again', async () => {
    await here.kubectl(['scale', 'deployment/echo', '--replicas=0']);
    const { metadata } = await podOf(here, 'far');
    const path = '{.status.conditions[?(@.type=="networkservicemesh.io/connected")].status}';
    await here.until(`pod/${metadata.name}`, `jsonpath=${path}=False`, 120);
    await here.until('deployment/far', 'jsonpath={.status.unavailableReplicas}=1');
    await here.kubectl(['scale', 'deployment/echo', '--replicas=1']);
    for (const client of clients) {
      await here.rolledOut(client);
      await answered(here, client);
    }
  });
});
