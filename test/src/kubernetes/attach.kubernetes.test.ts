// Pods are attached by their annotations: without an agent in them, or with one, and at the strictest level of Pod Security.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { image, imageNode } from './config.js';
import { managerNodes, managerPod, nsm, system } from './installation.js';
import { otherEnd } from './other-end.js';
import { application, applications, endpoints } from './pods.js';
import { restricted, withSockets } from './restricted.js';
import { TestNamespace } from './test-namespace.js';

const key = 'networkservicemesh.io';

describe('annotated pods', () => {
  /** Where pods may do nothing, not even ping, and where they may. */
  let here: TestNamespace;
  let free: TestNamespace;
  let node: string;
  beforeAll(async () => {
    free = await TestNamespace.create('attach-free');
    here = await TestNamespace.create('attach', { 'pod-security.kubernetes.io/enforce': 'restricted' });
    [node = ''] = await managerNodes();
    await here.apply(withSockets(endpoints('echo', 'icmp-responder', 'attach-echo')));
    await here.rolledOut('deployment/echo');
  });
  afterAll(async () => {
    await here[Symbol.asyncDispose]();
    await free[Symbol.asyncDispose]();
  });

  const status = async (pod: string): Promise<{ interface: string; state: string }[]> =>
    JSON.parse((await free.get(`pod/${pod}`)).metadata.annotations?.[`${key}/status`] ?? '[]');

  async function annotate(resource: string, text: string | undefined): Promise<void> {
    await free.kubectl([
      'annotate',
      resource,
      '--overwrite',
      text === undefined ? `${key}-` : `${key}=${text}`,
    ]);
  }

  /** Looks until it is so, for up to 30 s. */
  async function eventually(what: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 30_000; Date.now() < end; ) if (await what()) return;
    throw new Error('not within 30 s');
  }

  const has =
    (pod: string, ...names: string[]) =>
    async (): Promise<boolean> =>
      (await status(pod)).map((one) => one.interface).join() === names.join();

  it('have the interfaces that their annotation asks for, after each edit of it', async () => {
    await free.apply(application('edited', { annotations: { [key]: 'kernel://attach-echo/nsm-1' } }));
    await free.until('pod/edited', 'condition=Ready');
    const [address = ''] = await free.addresses('edited', 'nsm-1');
    await free.ping('edited', otherEnd(address));
    await annotate('pod/edited', 'kernel://attach-echo/nsm-1, kernel://attach-echo/nsm-2');
    await eventually(has('edited', 'nsm-1', 'nsm-2'));
    // The first was not touched.
    expect(await free.addresses('edited', 'nsm-1')).toContain(address);
    await annotate('pod/edited', 'kernel://attach-echo/nsm-3');
    await eventually(has('edited', 'nsm-3'));
    await annotate('pod/edited', undefined);
    await eventually(has('edited'));
    expect(await free.exec('edited', ['ls', '/sys/class/net'])).not.toMatch(/nsm/);
    const events = await free.kubectl(['get', 'events', '-o', 'jsonpath={.items[*].reason}']);
    expect(events).toMatch(/\bConnected\b/);
    expect(events).toMatch(/\bDisconnected\b/);
  });

  it('are attached by the annotation of their namespace, and by the template of their workload', async () => {
    await using other = await TestNamespace.create('attach-all');
    await other.apply(
      applications('web', 2, { annotations: { [key]: 'kernel://attach-echo/nsm-1' } }),
      application('plain'),
    );
    await other.rolledOut('deployment/web');
    for (const { metadata } of await other.list('pods', 'app=web'))
      expect(await other.addresses(metadata.name, 'nsm-1')).not.toEqual([]);
    await other.until('pod/plain', 'condition=Ready');
    await other.kubectl(['annotate', 'namespace', other.name, `${key}=kernel://attach-echo/nsm-7`]);
    await eventually(async () => (await other.addresses('plain', 'nsm-7')).length > 0);
  });

  it('are not ready before they are connected, and tell why', async () => {
    await here.apply(
      restricted(application('waiting', { annotations: { [key]: 'kernel://attach-later/nsm-1' } })),
    );
    const reason =
      'jsonpath={.status.conditions[?(@.type=="networkservicemesh.io/connected")].reason}=NotConnected';
    await here.until('pod/waiting', reason);
    const { status: found } = await here.get('pod/waiting');
    const conditions = found?.conditions as readonly { type: string; status: string; message?: string }[];
    expect(conditions.find(({ type }) => type === `${key}/connected`)?.message).toMatch(/NSM0201/);
    expect(conditions.find(({ type }) => type === 'Ready')?.status).toBe('False');
    await here.apply(withSockets(endpoints('later', 'icmp-responder', 'attach-later')));
    await here.until('pod/waiting', 'condition=Ready');
  });

  it('are refused with an annotation that is wrong, and told in which column', async () => {
    const wrong = application('wrong', { annotations: { [key]: 'kernel://attach-echo, karnel://b' } });
    await expect(here.apply(restricted(wrong))).rejects.toThrow(
      /column 23: "karnel" is no type of interface/,
    );
    const workload = applications('wrong', 1, { annotations: { [key]: 'kernel://' } });
    await expect(here.apply(restricted(workload))).rejects.toThrow(/template of the Deployment, column 10/);
    await expect(annotate('pod/edited', 'kernel://a b')).rejects.toThrow(/column 10/);
  });

  it('have their interfaces before the application begins, in mode init and sidecar', async () => {
    const command = ['sh', '-c', 'ls /sys/class/net && exec sleep 1000000'];
    for (const mode of ['init', 'sidecar']) {
      const annotations = { [key]: `kernel://attach-echo/nsm-1?mode=${mode}` };
      await here.apply(restricted(application(mode, { annotations }), { command }));
      await here.until(`pod/${mode}`, 'condition=Ready');
      expect(await here.kubectl(['logs', mode, '--container', 'shell'])).toMatch(/nsm-1/);
    }
  });

  it('see no sockets but those that are for pods, and speak for no other pod', async () => {
    await here.apply(
      withSockets(application('caller', { node }), {
        image,
        command: undefined,
        args: ['connect', 'attach-echo', '--hold'],
      }),
      restricted(application('victim', { node })),
    );
    await here.until('pod/victim', 'condition=Ready');
    await eventually(async () => /connected to/.test(await here.kubectl(['logs', 'caller']).catch(() => '')));
    const { metadata } = await here.get('pod/victim');
    const asVictim = ['nsm', 'connect', 'attach-echo', '--request-id', metadata.uid];
    await expect(here.exec('caller', asVictim)).rejects.toThrow(/NSM0103/);
    await expect(here.exec('caller', ['nsm', 'get', 'connections'])).rejects.toThrow(/admin\.sock/);
    const look =
      "const fs = require('node:fs'); console.log(fs.statSync('/run/nsm').ino, ...fs.readdirSync('/run/nsm').sort(), ...fs.readdirSync('/run/nsm/shared'))";
    const folders = await Promise.all(
      ['caller', 'deployment/echo'].map((pod) => here.exec(pod, [imageNode, '-e', look])),
    );
    for (const text of folders) expect(text).toMatch(/^\d+ client\.sock endpoint\.sock shared$/m);
    expect(folders[0]).not.toBe(folders[1]);
  });

  it('keep every packet and every interface while their manager is restarted', async () => {
    await free.apply(application('kept', { node, annotations: { [key]: 'kernel://attach-echo/nsm-1' } }));
    await free.until('pod/kept', 'condition=Ready');
    const [address = ''] = await free.addresses('kept', 'nsm-1');
    const index = await free.exec('kept', ['cat', '/sys/class/net/nsm-1/ifindex']);
    const pinging = await free.startPinging('kept', otherEnd(address));
    await system.remove(`pod/${await managerPod(node)}`);
    await system.rolledOut('daemonset/nsm-manager');
    await eventually(has('kept', 'nsm-1'));
    expect(await free.exec('kept', ['cat', '/sys/class/net/nsm-1/ifindex'])).toBe(index);
    expect(await pinging.stop()).toMatchObject({ lost: 0 });
  });

  it('are attached all the same while no webhook answers', async () => {
    await system.kubectl(['scale', 'deployment/nsm-webhook', '--replicas=0']);
    try {
      await system.kubectl(['wait', 'pod', '--selector=app.kubernetes.io/component=webhook', '--for=delete']);
      await free.apply(application('unseen', { annotations: { [key]: 'kernel://attach-echo/nsm-1' } }));
      await eventually(has('unseen', 'nsm-1'));
    } finally {
      await system.kubectl(['scale', 'deployment/nsm-webhook', '--replicas=2']);
      await system.rolledOut('deployment/nsm-webhook');
    }
  });

  it('leave nothing behind when they are deleted', async () => {
    await free.apply(application('deleted', { node, annotations: { [key]: 'kernel://attach-echo/nsm-1' } }));
    await eventually(has('deleted', 'nsm-1'));
    const { metadata } = await free.get('pod/deleted');
    await free.remove('pod/deleted');
    await eventually(async () => !(await nsm(node, 'get', 'connections', '--json')).includes(metadata.uid));
  });
});
