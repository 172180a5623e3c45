// Pods and nodes that end in every way, and what becomes of their connections and of those of others.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, attached, connectionsOf, pingEndpoint, podOf } from './annotated.js';
import { eventually } from './eventually.js';
import { managerNodes, system } from './installation.js';
import { kubectl } from './kubectl.js';
import { endpoints } from './pods.js';
import { killSandbox, power, requirePower } from './power.js';
import { TestNamespace } from './test-namespace.js';

const bystander = 'deployment/bystander';
const web = 'deployment/web';

describe('pods that end', () => {
  let here: TestNamespace;
  let first: string;
  let second: string;

  beforeAll(async () => {
    here = await TestNamespace.create('lives');
    const nodes = await managerNodes();
    [first, second] = [nodes[0] ?? '', nodes.at(-1) ?? ''];
    await here.apply(
      endpoints('echo', 'icmp-responder', 'lives-echo', { node: first }),
      attached('bystander', 'lives-echo', { node: first }),
      attached('web', 'lives-echo', { node: second }),
    );
    for (const name of ['echo', 'bystander', 'web']) await here.rolledOut(`deployment/${name}`);
  });

  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
  });

  /** Has `end` end the pod of `web`, and looks at what becomes of it, of the one that takes its place, and of a bystander. */
  async function replaced(end: (pod: string) => Promise<unknown>): Promise<void> {
    await answered(here, web);
    const pinging = await pingEndpoint(here, bystander);
    const { metadata: before } = await podOf(here, 'web');
    expect(await connectionsOf(before.uid)).not.toEqual([]);
    await end(before.name);
    await eventually('another pod has taken its place', async () => {
      const { metadata } = await podOf(here, 'web');
      return metadata.uid !== before.uid;
    });
    await here.rolledOut(web);
    await answered(here, web);
    await eventually('nothing of it is left', async () => (await connectionsOf(before.uid)).length === 0);
    expect(await pinging.stop()).toMatchObject({ lost: 0 });
  }

  it('are followed by others that are attached, when they are deleted', async () => {
    await replaced((pod) => here.kubectl(['delete', 'pod', pod, '--wait=false']));
  });

  it('are followed by others that are attached, when they are evicted', async () => {
    await replaced((pod) => {
      const eviction = {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: pod, namespace: here.name },
      };
      const path = `/api/v1/namespaces/${here.name}/pods/${pod}/eviction`;
      return kubectl(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(eviction) });
    });
  });

  describe.skipIf(!requirePower('sandboxes that are killed, nodes that crash'))('and their machines', () => {
    it('are attached again when their sandbox was killed', async () => {
      await answered(here, web);
      const pinging = await pingEndpoint(here, bystander);
      const { metadata } = await podOf(here, 'web');
      await killSandbox(second, metadata.uid);
      await eventually('the pod has another sandbox', async () => restartsOf(await podOf(here, 'web')) > 0);
      await answered(here, web);
      expect((await podOf(here, 'web')).metadata.uid).toBe(metadata.uid);
      expect(await pinging.stop()).toMatchObject({ lost: 0 });
    });

    it('are attached again when their node has crashed and is there again, and endpoints are found again', async () => {
      await here.apply(
        endpoints('far', 'icmp-responder', 'lives-far', { node: second }),
        attached('healed', 'lives-far', { node: first }),
      );
      await here.rolledOut('deployment/healed');
      await answered(here, 'deployment/healed');
      const pinging = await pingEndpoint(here, bystander);
      await power('crash', second);
      await eventually('the node is missed', async () => (await readyOf(second)) !== 'True', 120_000);
      await power('boot', second);
      await kubectl(['wait', `node/${second}`, '--for=condition=Ready', '--timeout=120s']);
      await system.rolledOut('daemonset/nsm-manager');
      await answered(here, web);
      await answered(here, 'deployment/healed');
      expect(await pinging.stop()).toMatchObject({ lost: 0 });
    }, 400_000);
  });
});

function restartsOf({ status }: { readonly status?: Readonly<Record<string, unknown>> }): number {
  const all = (status?.containerStatuses ?? []) as readonly { readonly restartCount: number }[];
  return all[0]?.restartCount ?? 0;
}

function readyOf(node: string): Promise<string> {
  return kubectl(['get', 'node', node, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}']);
}
