// Pods whose users are not the node's (hostUsers: false), at the level "restricted": attached without an agent in them, and with one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attached, podOf } from './annotated.js';
import { eventually } from './eventually.js';
import { managerNodes } from './installation.js';
import { tryKubectl } from './kubectl.js';
import { otherEnd } from './other-end.js';
import { endpoints } from './pods.js';
import { restricted, withSockets } from './restricted.js';
import { TestNamespace } from './test-namespace.js';

describe('pods with users of their own', () => {
  let here: TestNamespace;
  let first: string;
  let second: string;

  beforeAll(async () => {
    here = await TestNamespace.create('users', { 'pod-security.kubernetes.io/enforce': 'restricted' });
    const nodes = await managerNodes();
    [first, second] = [nodes[0] ?? '', nodes.at(-1) ?? ''];
    const spec = { hostUsers: false };
    await here.apply(withSockets(endpoints('echo', 'icmp-responder', 'users-echo', { node: first })));
    await here.rolledOut('deployment/echo');
    for (const mode of ['node', 'init', 'sidecar'])
      await here.apply(
        restricted(
          attached(mode, 'users-echo', {
            node: second,
            annotation: `kernel://users-echo/nsm-1?mode=${mode}`,
            spec,
          }),
        ),
      );
  });

  afterAll(async () => {
    await here?.[Symbol.asyncDispose]();
  });

  /** Such a pod may not ping. That nothing listens there is the word of the other end. */
  async function answers(pod: string): Promise<boolean> {
    const [own = ''] = await here.addresses(pod, 'nsm-1');
    const call = ['timeout', '3', 'wget', '-qO-', `http://${otherEnd(own)}:9/`];
    const { stderr } = await tryKubectl(['--namespace', here.name, 'exec', pod, '--', ...call]);
    return stderr.includes('Connection refused');
  }

  it.each(['node', 'init', 'sidecar'])('are attached in mode %s', async (mode) => {
    await here.rolledOut(`deployment/${mode}`);
    const { metadata } = await podOf(here, mode);
    // The first user of the pod is none of the node's first.
    expect(await here.exec(metadata.name, ['cat', '/proc/self/uid_map'])).not.toMatch(/^\s*0\s+0\s/);
    await eventually('the endpoint answers', () => answers(metadata.name));
  });
});
