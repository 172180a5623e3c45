// The agent beside an API server and a manager that are stand-ins: what it asks for, when, and what it tells.
import { readlinkSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import { waitFor } from '@nsm/testkit';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TestCluster, TestNode, TestPort } from './cluster.test.support.js';
import { PodAgent } from './pod-agent.js';

const key = 'networkservicemesh.io';
const uid = 'c03ff1be-0410-4679-af1c-3dbc632c6c36';
/** All of this test's processes have it. */
const inode = Number(/\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0]);

let cluster: TestCluster;
let node: TestNode;
let manager: TestPort;
let agent: PodAgent;

beforeEach(() => {
  cluster = new TestCluster();
  node = new TestNode();
  manager = new TestPort(() => inode);
  cluster.put('namespaces', { metadata: { name: 'default' } });
});

afterEach(async () => {
  await agent.stop();
  node.stop();
});

async function start(attach = true): Promise<void> {
  agent = new PodAgent(
    { client: cluster.client, logger: pino({ level: 'silent' }) },
    { nodeName: 'n1', manager: 'n1', attach, cgroups: node.cgroups },
  );
  await agent.start(manager.port);
}

function pod(annotations: Record<string, string>, spec: object = {}): void {
  const containers = [{ name: 'app', securityContext: { runAsUser: 1000 } }];
  cluster.put('pods', {
    metadata: { name: 'app', namespace: 'default', uid, annotations, labels: { tenant: 'red' } },
    spec: { containers, serviceAccountName: 'builder', ...spec },
    status: { phase: 'Running' },
  } as never);
}

const gate = { readinessGates: [{ conditionType: 'networkservicemesh.io/connected' }] };

function told(): { interface: string; state: string }[] | undefined {
  const text = cluster.get('pods', 'app').metadata.annotations?.['networkservicemesh.io/status'];
  return text === undefined ? undefined : JSON.parse(text);
}

function condition(): { status: string; reason: string; message: string } {
  const [found] =
    (cluster.get('pods', 'app') as { status?: { conditions?: unknown[] } }).status?.conditions ?? [];
  return found as never;
}

const interfacesTold = (): string[] => (told() ?? []).map((one) => one.interface).toSorted();
const reasons = (): string[] => cluster.events.map(({ reason }) => reason);
const interfaces = (): string[] =>
  manager.connections.map((one) => one.clientParameters.interfaceName).toSorted();

it('knows a pod by its name: where it is, and as whom its application runs', async () => {
  pod({});
  await start(false);
  expect(agent.named('default/app')).toEqual({ inode: 0, uid: 1000, gid: 0 });
  node.runSandbox(uid);
  await waitFor(() => agent.named('default/app')?.inode === inode);
  expect(agent.named('other/app')).toBeUndefined();
});

it('attaches a pod when it has a network, and tells it in one call', async () => {
  pod({ [key]: 'kernel://gw/nsm-1?color=blue' }, gate);
  await start();
  expect(manager.log).toEqual([]);
  node.runSandbox(uid);
  await waitFor(() => condition()?.status === 'True');
  expect(manager.log).toEqual([`attach gw/nsm-1 ${uid}`]);
  expect(told()).toEqual([
    expect.objectContaining({ interface: 'nsm-1', state: 'SYNCED', endpoint: 'an-endpoint' }),
  ]);
  expect(cluster.writes).toBe(1);
  expect(reasons()).toEqual(['Connected']);
});

it('follows each edit of the annotation', async () => {
  node.runSandbox(uid);
  pod({});
  await start();
  for (const [text, expected] of [
    ['kernel://gw/a', ['a']],
    ['kernel://gw/a, kernel://gw/b, mem://fast/c', ['a', 'b', 'c']],
    ['kernel://gw/b', ['b']],
    ['kernel://gw/d', ['d']],
    ['', []],
  ] as const) {
    cluster.annotate('pods', 'app', { [key]: text });
    await waitFor(
      () => interfaces().join() === expected.join() && interfacesTold().join() === expected.join(),
    );
  }
  // What was changed was replaced: never taken away before the new one was there.
  expect(manager.log.filter((line) => line.startsWith('detach'))).toHaveLength(3);
});

it('changes nothing for an annotation that is wrong, and says where', async () => {
  node.runSandbox(uid);
  pod({ [key]: 'kernel://gw/a' }, gate);
  await start();
  await waitFor(() => interfaces().length === 1);
  cluster.annotate('pods', 'app', { [key]: 'kernel://gw/a, karnel://b' });
  await waitFor(() => condition()?.reason === 'InvalidAnnotation');
  expect(condition().message).toMatch(/column 16: "karnel" is no type/);
  expect(interfaces()).toEqual(['a']);
  expect(reasons()).toContain('CannotConnect');
});

it('attaches by the annotation of the namespace, and detaches with it', async () => {
  node.runSandbox(uid);
  pod({});
  await start();
  cluster.annotate('namespaces', 'default', { [key]: 'kernel://gw/a' });
  await waitFor(() => interfaces().join() === 'a');
  cluster.annotate('namespaces', 'default', { [key]: undefined });
  await waitFor(() => interfaces().length === 0);
});

it('asks again when an endpoint comes, and until then tells why the pod is not connected', async () => {
  node.runSandbox(uid);
  manager.refusals.set('gw', new NsmError('no-endpoint', 'nobody provides it'));
  pod({ [key]: 'kernel://gw/a' }, gate);
  await start();
  await waitFor(() => condition()?.status === 'False');
  expect(condition().message).toBe('gw: nobody provides it (NSM0201)');
  expect(reasons()).toEqual(['ConnectFailed']);
  manager.endpointComes('gw');
  await waitFor(() => condition().status === 'True');
});

it('tells of a loss and of its mending, and leaves the pod ready meanwhile', async () => {
  node.runSandbox(uid);
  pod({ [key]: 'kernel://gw/a' }, gate);
  await start();
  await waitFor(() => condition()?.status === 'True');
  const [connection] = manager.connections;
  manager.become(connection!, { kind: 'LOST', reason: 'its endpoint is gone', attempt: 1 });
  await waitFor(() => told()?.[0]?.state === 'HEALING');
  expect(condition().status).toBe('True');
  manager.become(connection!, { kind: 'LOST', reason: 'its endpoint is gone', attempt: 3 });
  await waitFor(() => condition().status === 'False');
  manager.become(connection!, { kind: 'UP' });
  await waitFor(() => condition().status === 'True');
  expect(reasons()).toEqual(['Connected', 'Healing', 'HealFailed', 'Healed']);
});

it('after a restart takes over what is there, and ends what is not asked for any more', async () => {
  node.runSandbox(uid);
  pod({ [key]: 'kernel://gw/a, kernel://gw/b' });
  await start();
  await waitFor(() => interfaces().length === 2);
  await agent.stop();
  cluster.annotate('pods', 'app', { [key]: 'kernel://gw/b' });
  manager.log.splice(0);
  cluster.events.splice(0);
  await start();
  await waitFor(() => interfaces().join() === 'b');
  expect(manager.log).toEqual([`detach gw ${uid}`]);
  expect(reasons()).not.toContain('Connected');
});

it('leaves alone what the pod itself has asked for', async () => {
  node.runSandbox(uid);
  pod({ [key]: 'kernel://gw/a' });
  await start();
  await waitFor(() => interfaces().length === 1);
  manager.add(inode, { ...manager.connections[0]!.request!, networkServiceName: 'own' });
  cluster.annotate('pods', 'app', { [key]: undefined });
  await waitFor(() => manager.connections.length === 1);
  expect(manager.connections[0]?.service).toBe('own');
});

it('ends what the pod has by its annotation when the pod goes', async () => {
  node.runSandbox(uid);
  pod({ [key]: 'kernel://gw/a' });
  await start();
  await waitFor(() => interfaces().length === 1);
  cluster.remove('pods', 'app');
  await waitFor(() => manager.connections.length === 0);
});

it('looks for the new sandbox when the sandbox dies', async () => {
  const kill = node.runSandbox(uid);
  pod({ [key]: 'kernel://gw/a' });
  await start();
  await waitFor(() => interfaces().length === 1);
  await kill();
  // Its namespace ends with it, and the manager drops what was in it.
  manager.drop(manager.connections[0]!);
  node.runSandbox(uid);
  await waitFor(() => interfaces().length === 1);
});

it('never attaches the network of the node', async () => {
  node.runSandbox(uid);
  pod({ [key]: 'kernel://gw/a' }, { hostNetwork: true, ...gate });
  await start();
  await waitFor(() => condition()?.reason === 'CannotConnect');
  expect(manager.log).toEqual([]);
  expect(agent.podIn(inode)).toBeUndefined();
});

it('knows who is in a network namespace, and tells when that has changed', async () => {
  node.runSandbox(uid);
  pod({});
  await start(false);
  expect(agent.podIn(inode)).toEqual({
    uid,
    facts: expect.objectContaining({
      namespace: 'default',
      name: 'app',
      serviceAccount: 'builder',
      labels: { tenant: 'red' },
    }),
  });
  expect(agent.podIn(inode + 1)).toBeUndefined();
  expect(agent.has(uid)).toBe(true);
  const { metadata, ...rest } = cluster.get('pods', 'app');
  cluster.put('pods', { ...rest, metadata: { ...metadata, labels: { tenant: 'blue' } } });
  await waitFor(() => manager.log.includes(`facts ${inode}`));
  cluster.annotate('pods', 'app', { [key]: 'kernel://gw/a' });
  cluster.remove('pods', 'app');
  await waitFor(() => !agent.has(uid));
  expect(manager.log.filter((line) => line.startsWith('attach'))).toEqual([]);
});
