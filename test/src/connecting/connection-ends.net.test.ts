// All ends of a connection: by its client, its endpoint, its pod, its process; each releases everything on both nodes.
import { ping, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extensions } from '../mesh/extensions.js';
import { type HereAndThere, hereAndThere } from '../mesh/here-and-there.js';
import { nsm, nsmJson, spawnNsm } from '../mesh/nsm-command.js';
import { readVerdict } from '../mesh/specification.js';
import { message } from '../mesh/wire.js';

describe.skipIf(!requireRoot('ends of connections'))('the end of a connection', () => {
  let { mesh, client, agent, pods, connect, disconnect } = {} as HereAndThere;

  beforeAll(async () => {
    ({ mesh, client, agent, pods, connect, disconnect } = await hereAndThere((place) => [
      `dual-${place}`,
      'both',
    ]));
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  it.each(['here', 'there'] as const)(
    'an endpoint %s ends a connection, and the client hears why',
    async (place) => {
      const service = `dual-${place}`;
      const node = place === 'here' ? mesh.a : mesh.b;
      const args = [
        'connect',
        service,
        '--request-id',
        'ended',
        '--netns',
        client.name,
        '--run-dir',
        mesh.a.runDir,
      ];
      await using holding = await spawnNsm(undefined, '"interfaceName"', [...args, '--hold', '--json']);
      const theirs = await mesh.agent(pods[place]);
      const words = message([1, 'ended'], [2, service], [3, 'maintenance tonight']);
      const target = `unix:${node.runDir}/endpoint.sock`;
      const reply = await theirs.replyTo(target, extensions.closeAsEndpoint, words);
      expect(readVerdict(reply)).toEqual({ accepted: true, error: '' });
      expect(await holding.exited).toBe(1);
      expect(holding.output()).toContain('maintenance tonight');
      expect(await mesh.sweep()).toEqual([]);
    },
  );

  it('closing what does not exist succeeds, for client, endpoint and manager', async () => {
    const words = message([1, 'never-was'], [2, 'dual-here']);
    const onNode = await mesh.agent(mesh.a);
    const verdicts = await Promise.all([
      agent.replyTo(`unix:${mesh.a.runDir}/client.sock`, extensions.closeConnection, words),
      agent.replyTo(`unix:${mesh.a.runDir}/endpoint.sock`, extensions.closeAsEndpoint, words),
      onNode.replyTo(mesh.b.mtls, extensions.closeProxyConnection, words),
    ]);
    expect(verdicts.map(readVerdict)).toEqual(Array(3).fill({ accepted: true, error: '' }));
    expect(
      (await nsm('disconnect', 'dual-here', '--request-id', 'never-was', '--run-dir', mesh.a.runDir)).status,
    ).toBe(0);
  });

  it.each(['here', 'there'])("a pod's end releases its connection to an endpoint %s", async (place) => {
    const pod = mesh.pod('mortal');
    await nsmJson(
      'connect',
      `dual-${place}`,
      '--request-id',
      'mortal',
      '--netns',
      pod.name,
      '--run-dir',
      mesh.a.runDir,
    );
    expect(await mesh.remains(0)).not.toEqual([]);
    mesh.removePod(pod);
    expect(await mesh.sweep()).toEqual([]);
  });

  it.each(['here', 'there'])('a killed process releases its connection to an endpoint %s', async (place) => {
    const args = ['connect', `dual-${place}`, '--request-id', 'killed', '--netns', client.name];
    await using holding = await spawnNsm(undefined, '"interfaceName"', [
      ...args,
      '--run-dir',
      mesh.a.runDir,
      '--hold',
      '--json',
    ]);
    expect(await mesh.remains(0)).not.toEqual([]);
    holding.child.kill('SIGKILL');
    await holding.exited;
    expect(await mesh.sweep()).toEqual([]);
  });

  it('it outlives the process that asked, where its life is that of the pod', async () => {
    const connected = await connect('dual-there', 'stays');
    expect((await ping(client.name, connected.peerAddresses[0] ?? '')).received).toBe(1);
    await disconnect('dual-there', 'stays');
    expect(await mesh.sweep()).toEqual([]);
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
