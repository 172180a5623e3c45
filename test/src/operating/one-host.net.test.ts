// Managers where something stands between them and what they serve: a pid namespace, another manager in theirs, a private /tmp.
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { flow } from '../mesh/flow.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { MeshNode } from '../mesh/mesh-node.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';

const rooted = requireRoot('one host');

const asking = (service: string, pod: Pod, node: MeshNode): string[] => [
  ...['connect', service, '--request-id', pod.name, '--netns', pod.name, '--run-dir', node.runDir],
];

describe.skipIf(!rooted)('a manager in a pid namespace of its own', () => {
  const inItsOwn = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
  /** Names of namespaces are seen that are made later. */
  const sharing = [...inItsOwn, '--propagation', 'slave'];
  const remedy = 'run it with hostPID: true \\(docker --pid=host\\)';
  const cannotSee = (who: string): RegExp =>
    new RegExp(
      `^(nsm: )?the manager runs in a pid namespace of its own and cannot see the process that ${who}: ${remedy} \\(NSM0103\\)$`,
    );
  const notFound = new RegExp(
    `no name and no process has it; the manager runs in a pid namespace of its own: ${remedy} \\(NSM0102\\)`,
  );
  let mesh: Mesh;
  afterEach(async () => {
    // `unshare` does not hear SIGTERM.
    await mesh.a.halt();
    await mesh.stop();
  });

  it('says at the start what it does not see, refuses endpoints and pods without a name outside, and says why', async () => {
    mesh = new Mesh({ before: inItsOwn });
    await mesh.joinNodes();
    await mesh.a.start();
    expect(mesh.a.log).toMatch(
      new RegExp(`"level":40,.*a pid namespace of its own and sees no process.*${remedy}`),
    );
    const [client, pod] = [mesh.pod('client'), mesh.pod('endpoint')];
    const agent = await mesh.agent(pod);
    const socket = join(mesh.dir, 'e.sock');
    await agent.serve(socket, { kind: 'answer', netns: pod.netns });
    const advertised = await agent.advertise(mesh.a.runDir, { service: 'echo', name: 'echo', socket });
    expect(advertised.error).toMatch(cannotSee('serves the endpoint'));
    const request = { requestId: 'one', service: 'echo', netns: client.netns };
    const { error } = await (await mesh.agent(client)).connect(mesh.a.runDir, request);
    expect(error).toMatch(notFound);
    expect((await nsm(...asking('echo', client, mesh.a))).stderr).toMatch(notFound);
    // A caller's own namespace is known all the same, and this one has no such connection.
    const closing = agent.close(mesh.a.runDir, 'one', 'echo');
    await expect(closing).rejects.toThrow(/this network namespace never asked for a connection here/);
    expect(await mesh.a.endpoints()).toEqual([]);
    expect(await mesh.remains()).toEqual([]);
  });

  it('serves pods that have a name, and those that may speak for others, but for what it would have to see', async () => {
    mesh = new Mesh({ before: sharing, flags: ['--allow-uid', '0'] });
    await mesh.joinNodes();
    await mesh.a.start();
    const [client, pod] = [mesh.pod('client'), mesh.pod('endpoint')];
    await mesh.endpoint(mesh.a, { pod, name: 'echo', services: ['echo'] });
    const connected = await nsmJson<Connected>(...asking('echo', client, mesh.a));
    await expectTraffic(client, pod, connected);
    chmodSync(mesh.dir, 0o755);
    // A user who speaks for nobody else: in which namespace its socket was opened, the kernel tells without its process.
    const agent = await mesh.agent(client, { user: 4711 });
    const own = (netns: string): Promise<{ readonly accepted: boolean; readonly error: string }> =>
      agent.connect(mesh.a.runDir, { requestId: 'own', service: 'echo', netns });
    expect(await own('/proc/self/ns/net')).toMatchObject({ accepted: true, error: '' });
    await agent.close(mesh.a.runDir, 'own', 'echo');
    const byNumber = `/proc/${agent.pid}/ns/net`;
    expect((await own(byNumber)).error).toMatch(cannotSee(`"${byNumber}" names`));
    const held = await nsm(...asking('echo', client, mesh.a), '--hold');
    expect(held.stderr.trim()).toMatch(cannotSee('asks, to end the connection with it'));
    const close = ['disconnect', 'echo', '--request-id', client.name, '--netns', client.name];
    expect(await nsm(...close, '--run-dir', mesh.a.runDir)).toMatchObject({ status: 0 });
    expect(await mesh.remains()).toEqual([]);
  });

  it('says why it does not find a namespace that it cannot see', async () => {
    mesh = new Mesh({ before: inItsOwn, flags: ['--allow-uid', '0'] });
    await mesh.joinNodes();
    await mesh.a.start();
    const { stderr } = await nsm(...asking('echo', mesh.pod('client'), mesh.a));
    expect(stderr).toMatch(notFound);
  });

  it('does not start where /proc is that of another one', async () => {
    mesh = new Mesh({ before: ['unshare', '--pid', '--fork', '--kill-child'] });
    await expect(mesh.a.start()).rejects.toThrow(/\/proc is that of another pid namespace.*hostPID: true/);
  });
});

describe.skipIf(!rooted)('an endpoint with a /tmp of its own', () => {
  it('is reached in its own files', async () => {
    await using mesh = new Mesh();
    await mesh.joinNodes();
    await mesh.a.start();
    const pod = mesh.pod('endpoint');
    const folder = join(mesh.dir, 'private');
    mkdirSync(folder);
    const before = ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs none ${folder} && exec "$@"`, 'sh'];
    const flags = ['--socket', join(folder, 'e.sock')];
    await mesh.endpoint(mesh.a, { pod, name: 'echo', services: ['echo'], before, flags });
    expect(await nsm(...asking('echo', mesh.pod('client'), mesh.a))).toMatchObject({ status: 0 });
  });
});

describe.skipIf(!rooted)('two managers in one network namespace', () => {
  let mesh: Mesh;
  let beside: MeshNode[] = [];
  const kinds = ['VXLAN', 'GRE'];
  const flags = ['--tunnel', kinds.map((kind) => `${kind}=${kind}`).join()];
  beforeAll(async () => {
    mesh = new Mesh({ flags });
    await mesh.joinNodes();
    for (const [n, { namespace }] of mesh.nodes.entries())
      await run(namespace.name, 'ip', ['address', 'add', `10.9.0.${n + 11}/24`, 'dev', 'underlay']);
    await mesh.startManagers();
  });
  afterAll(async () => await mesh?.stop());
  afterEach(async () => {
    for (const node of beside) await node.stop();
    beside = [];
  });
  const manager = (name: string, node: MeshNode, address: string, registry: string): MeshNode => {
    const dir = join(mesh.dir, `beside-${name}`);
    const made = new MeshNode({ name, namespace: node.namespace, address, dir, registry, flags });
    beside.push(made);
    return made;
  };

  it('are not joined by a tunnel that would end where it begins, and nothing is touched', async () => {
    const other = manager('other', mesh.a, '10.9.0.11', `nsm://${mesh.a.tcp}`);
    await other.start();
    const [client, pod] = [mesh.pod('client'), mesh.pod('endpoint')];
    await mesh.endpoint(other, { pod, name: 'echo', services: ['echo'] });
    await mesh.a.knows('echo/echo');
    const { stderr } = await nsm(...asking('echo', client, mesh.a));
    expect(stderr).toMatch(
      /^nsm: no tunnel of this node leads to manager "other": VXLAN, .*: 10\.9\.0\.11 is an address of this node itself, so the other manager runs in the same network namespace, .* \(NSM0302\)$/m,
    );
    // It was not even asked.
    expect(other.log).not.toContain('endpoint not connected');
    expect(await mesh.remains()).toEqual([]);
    const far = mesh.pod('far');
    await mesh.endpoint(mesh.b, { pod: far, name: 'far', services: ['echo'] });
    await mesh.a.knows('echo/far');
    await expectTraffic(client, far, await nsmJson<Connected>(...asking('echo', client, mesh.a)));
    expect(mesh.a.errors()).toEqual([]);
    await mesh.a.closeAll();
    expect(await mesh.remains()).toEqual([]);
  });

  it('of two meshes do not disturb each other: VXLAN and GRE', async () => {
    const near = manager('near', mesh.a, '10.9.0.11', 'embedded:');
    const far = manager('far', mesh.b, '10.9.0.12', `nsm://${near.tcp}`);
    const [client, pod, client2, pod2] = ['client', 'endpoint', 'client-2', 'endpoint-2'].map((label) =>
      mesh.pod(label),
    ) as [Pod, Pod, Pod, Pod];
    await Promise.all([
      ...[near, far].map((node) => node.start()),
      mesh.endpoint(mesh.b, { pod, name: 'one', services: kinds }),
    ]);
    await mesh.endpoint(far, { pod: pod2, name: 'two', services: kinds });
    await Promise.all([mesh.a.knows('GRE/one'), near.knows('GRE/two')]);
    const connect = (from: Pod, node: MeshNode): Promise<Connected[]> =>
      Promise.all(kinds.map((kind) => nsmJson<Connected>(...asking(kind, from, node))));
    const expectTrafficOf = (from: Pod, to: Pod, all: readonly Connected[]): Promise<unknown> =>
      Promise.all(all.map((connected) => expectTraffic(from, to, connected)));
    const first = await connect(client, mesh.a);
    await expectTrafficOf(client, pod, first);
    const pinging = await Promise.all(first.map(({ peerAddresses: [peer = ''] }) => flow(client, peer)));
    const answered = (): number[] => pinging.map((each) => each.lastAnswered());
    const more = async (): Promise<void> => {
      const before = answered();
      const all = (): boolean => answered().every((count, n) => count > before[n]! + 10);
      await waitFor(all, { what: 'replies in the first mesh' });
    };
    await more();
    const second = await connect(client2, near);
    await expectTrafficOf(client2, pod2, second);
    await more();
    for (const node of [near, far]) await node.restart('SIGKILL');
    await more();
    await expectTrafficOf(client2, pod2, second);
    await near.closeAll();
    await more();
    for (const node of [near, far]) await node.end('SIGTERM');
    await more();
    for (const each of pinging) {
      const { sent, received } = await each.end();
      expect(received).toBe(sent);
    }
    await mesh.a.closeAll();
    expect(await mesh.remains()).toEqual([]);
  });

  it('have names of their own', async () => {
    const twin = manager('node-a', mesh.a, '10.9.0.11', 'embedded:');
    await expect(twin.start()).rejects.toThrow(
      /a manager of the name "node-a" runs in this network namespace already \(process \d+\).*--name \(NSM0105\)/,
    );
    await mesh.a.restart('SIGKILL');
    await mesh.a.end('SIGTERM');
    await twin.start();
  });
});
