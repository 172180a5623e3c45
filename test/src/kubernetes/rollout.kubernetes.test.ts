// Managers that are replaced one node after the other, while packets go through their connections.
import { thorough } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { managerNodes, system } from './installation.js';
import { otherEnd } from './other-end.js';
import { connectedByInit, endpoints } from './pods.js';
import { TestNamespace } from './test-namespace.js';

const rollouts = thorough ? 20 : 2;

describe('a rolling update of the managers', () => {
  let here: TestNamespace;

  beforeAll(async () => {
    here = await TestNamespace.create('rollout');
    const nodes = await managerNodes();
    const [first = '', last = ''] = [nodes[0], nodes.at(-1)];
    await here.apply(
      endpoints('echo', 'icmp-responder', 'rollout-echo', { node: first }),
      connectedByInit('near', 'rollout-echo', { node: first }),
      connectedByInit('far', 'rollout-echo', { node: last }),
    );
    for (const pod of ['near', 'far']) await here.until(`pod/${pod}`, 'condition=Ready');
  });

  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
  });

  it('loses no packet', async () => {
    const pings = [];
    for (const pod of ['near', 'far']) {
      const [own = ''] = await here.addresses(pod, 'nsm0');
      pings.push(await here.startPinging(pod, otherEnd(own)));
    }
    for (let rollout = 0; rollout < rollouts; rollout++) {
      await system.kubectl(['rollout', 'restart', 'daemonset/nsm-manager']);
      await system.rolledOut('daemonset/nsm-manager');
    }
    for (const ping of pings) {
      const { sent, lost } = await ping.stop();
      expect(sent).toBeGreaterThan(20);
      expect(lost).toBe(0);
    }
  }, 600_000);
});
