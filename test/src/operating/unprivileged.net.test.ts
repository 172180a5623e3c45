// A manager without any privilege beside a forwarder that has it: connections work, and without one it says what it lacks.
import { chmodSync, chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ipJson, type Running, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { readDetails } from '../mesh/extensions.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { spawnNsm } from '../mesh/nsm-command.js';
import { devicesOf } from '../mesh/pod-network.js';
import { readVerdict } from '../mesh/specification.js';

/** The user `nobody`. */
const nobody = 65534;
const asNobody = [
  'setpriv',
  `--reuid=${nobody}`,
  `--regid=${nobody}`,
  '--clear-groups',
  '--inh-caps=-all',
  '--bounding-set=-all',
];

describe.skipIf(!requireRoot('unprivileged'))('a manager without privileges', () => {
  let mesh: Mesh;
  let client: Pod;
  let agent: Agent;
  const pods: Record<'here' | 'there', Pod> = {} as never;
  const forwarders: Running[] = [];

  beforeAll(async () => {
    mesh = new Mesh({
      before: asNobody,
      flags: ['--forwarder', 'external'],
      flagsOf: ({ dir }) => ['--pki-dir', join(dir, '../pki')],
    });
    const pki = join(mesh.dir, 'pki');
    mkdirSync(pki, { mode: 0o700 });
    chownSync(pki, nobody, nobody);
    // Node.js and the repository must be within reach of that user.
    chmodSync(mesh.dir, 0o755);
    await mesh.joinNodes();
    for (const node of mesh.nodes) {
      mkdirSync(node.stateDir, { recursive: true });
      chownSync(node.stateDir, nobody, nobody);
      forwarders.push(await startForwarder(node));
      await node.start();
    }
    client = mesh.pod('client');
    for (const label of ['here', 'there'] as const) pods[label] = mesh.pod(label);
    [agent] = await Promise.all([
      mesh.agent(client),
      mesh.endpoint(mesh.a, { pod: pods.here, name: 'here', services: ['here'], before: asNobody }),
      mesh.endpoint(mesh.b, { pod: pods.there, name: 'there', services: ['there'], before: asNobody }),
    ]);
    await mesh.a.knows('here/here', 'there/there');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  /** It makes the run directory, and shares it with the manager. */
  const startForwarder = (node: MeshNode): Promise<Running> => {
    const flags = ['--run-dir', node.runDir, '--group', String(nobody)];
    return mesh.spawn(node.namespace.name, '"msg":"ready"', ['forwarder', ...flags]);
  };

  it('has none', async () => {
    for (const node of mesh.nodes) {
      const status = readFileSync(`/proc/${node.manager.pid}/status`, 'utf8');
      expect(/^Uid:\s+(\d+)\s+(\d+)/m.exec(status)?.slice(1)).toEqual([String(nobody), String(nobody)]);
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        expect(new RegExp(`^${set}:\\s+(\\w+)`, 'm').exec(status)?.[1]).toBe('0000000000000000');
    }
  });

  it.each(['here', 'there'] as const)('connects to an endpoint %s', async (place) => {
    const request = { requestId: 'pod', service: place, netns: client.netns };
    const details = readDetails(await agent.connectBytes(mesh.a.runDir, request));
    await expectTraffic(client, pods[place], details);
    await agent.close(mesh.a.runDir, 'pod', place);
    expect(await mesh.sweep()).toEqual([]);
  });

  it('serves clients of other users', async () => {
    const user = await mesh.agent(client, { user: 4711 });
    const request = { requestId: 'user', service: 'here', netns: client.netns };
    expect(await user.connect(mesh.a.runDir, request)).toMatchObject({ accepted: true, error: '' });
    await user.close(mesh.a.runDir, 'user', 'here');
    expect(await mesh.sweep()).toEqual([]);
  });

  it('notices the end of a pod and of a process', async () => {
    const pod = mesh.pod('mortal');
    const inside = await mesh.agent(pod);
    const request = { requestId: 'mortal', service: 'there', netns: pod.netns };
    expect((await inside.connect(mesh.a.runDir, request)).error).toBe('');
    await inside.stop();
    mesh.removePod(pod);
    expect(await mesh.sweep()).toEqual([]);
    const key = ['there', '--request-id', 'held', '--netns', client.name, '--run-dir', mesh.a.runDir];
    await using holding = await spawnNsm(undefined, '"interfaceName"', [
      'connect',
      ...key,
      '--hold',
      '--json',
    ]);
    holding.child.kill('SIGKILL');
    await holding.exited;
    expect(await mesh.sweep()).toEqual([]);
  });

  it('an endpoint run by root is served, or told what to do', async () => {
    const pod = mesh.pod('root');
    const socket = `${mesh.dir}/root.sock`;
    const root = await mesh.agent(pod);
    await root.serve(socket, { kind: 'answer', netns: pod.netns });
    chmodSync(socket, 0o600);
    const { accepted, error } = await root.advertise(mesh.a.runDir, {
      service: 'root',
      name: 'root',
      socket,
    });
    if (accepted) return;
    expect(error).toMatch(/root\.sock/);
    expect(error).toMatch(/the manager must be allowed to open it/);
  });

  it('the ready-made endpoint of root is served', async () => {
    const pod = mesh.pod('ready-made');
    await mesh.endpoint(mesh.a, { pod, name: 'ready', services: ['ready'] });
    const request = { requestId: 'pod', service: 'ready', netns: client.netns };
    expect(await agent.connect(mesh.a.runDir, request)).toMatchObject({ accepted: true, error: '' });
    await agent.close(mesh.a.runDir, 'pod', 'ready');
    expect(await mesh.sweep()).toEqual([]);
  });

  it('lives through a restart of its forwarder', async () => {
    const request = { requestId: 'lasting', service: 'here', netns: client.netns };
    const reply = await agent.connectBytes(mesh.a.runDir, request);
    const before = await devicesOf(client.name);
    await forwarders[0]?.stop();
    const meanwhile = { requestId: 'meanwhile', service: 'here', netns: client.netns };
    const refused = readVerdict(await agent.connectBytes(mesh.a.runDir, meanwhile));
    expect(refused.accepted).toBe(false);
    expect(refused.error).toMatch(/does not answer on .*forwarder\.sock; is `nsm forwarder` running/);
    const started = startForwarder(mesh.a);
    // Each waits a while for it, which a busy machine takes longer to start.
    await waitFor(async () => (await agent.connect(mesh.a.runDir, meanwhile)).error === '', {
      what: 'a request while the forwarder is on its way back',
    });
    await started;
    await agent.close(mesh.a.runDir, 'meanwhile', 'here');
    expect(await devicesOf(client.name)).toEqual(before);
    await waitFor(async () => Buffer.compare(await agent.connectBytes(mesh.a.runDir, request), reply) === 0);
    // The new forwarder has been told to watch over what there was.
    await agent.close(mesh.a.runDir, 'lasting', 'here');
    const pod = mesh.pod('after');
    const inside = await mesh.agent(pod);
    expect((await inside.connect(mesh.a.runDir, { ...request, netns: pod.netns })).error).toBe('');
    await inside.stop();
    mesh.removePod(pod);
    expect(await mesh.sweep()).toEqual([]);
  });

  it('leaves nothing behind', async () => {
    // The forwarders were stopped under the managers' feet.
    expect(await mesh.finish(/the forwarder (does not answer|was away)/)).toEqual([]);
  });
});

describe.skipIf(!requireRoot('unprivileged alone'))(
  'a manager with neither privileges nor a forwarder',
  () => {
    it.each([
      ['none at all', []],
      ['a socket where nobody listens', ['--forwarder-socket', '/nonexistent/forwarder.sock']],
    ])('says what it lacks: %s', async (_, flags) => {
      await using mesh = new Mesh({ before: asNobody, flagsOf: () => flags });
      chmodSync(mesh.dir, 0o755);
      for (const dir of [mesh.a.runDir, mesh.a.stateDir]) {
        mkdirSync(dir, { recursive: true });
        chownSync(dir, nobody, nobody);
      }
      const started = mesh.a.start().then(
        () => '',
        (error: unknown) => String(error),
      );
      const output = await started;
      const cause =
        flags.length > 0 ? /\/nonexistent\/forwarder\.sock/ : /CAP_NET_ADMIN|CAP_SYS_ADMIN|nsm forwarder/;
      expect(output).toMatch(cause);
      expect(output).toMatch(/ended with [1-9]/);
      expect(output).not.toMatch(/ {4}at /);
      expect(await ipJson(mesh.a.namespace.name, ['link'])).toHaveLength(1);
    });
  },
);
