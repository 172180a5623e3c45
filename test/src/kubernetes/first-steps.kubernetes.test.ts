// What a first user does: install, provide a network service, use it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { managerNodes, nsm, system } from './installation.js';
import { otherEnd } from './other-end.js';
import { connectedByInit, endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

/** Of no other suite, whose endpoints may be going. */
const service = 'first-echo';

describe('the first steps', () => {
  let here: TestNamespace;
  beforeAll(async () => {
    here = await TestNamespace.create('first');
  });
  afterAll(async () => {
    await here[Symbol.asyncDispose]();
  });

  it('a manager is ready on each node that may run it', async () => {
    const { status } = await system.get('daemonset/nsm-manager');
    expect(status).toMatchObject({ numberReady: status?.desiredNumberScheduled });
  });

  it('a pod that asks for the service of a Deployment gets an interface, and its packets are answered', async () => {
    const [node = ''] = await managerNodes();
    await here.apply(
      endpoints('echo', 'icmp-responder', service),
      connectedByInit('client', service, { node }),
    );
    await here.until('pod/client', 'condition=Ready');
    const connections = JSON.parse(await nsm(node, 'get', 'connections', '--json')) as ConnectionRow[];
    expect(connections).toContainEqual(expect.objectContaining({ service }));
    const [address = ''] = await here.addresses('client', 'nsm0');
    expect(address).toMatch(/^100\.64\.\d+\.\d+\/31$/);
    await here.ping('client', otherEnd(address));
  });
});

interface ConnectionRow {
  readonly service: string;
}
