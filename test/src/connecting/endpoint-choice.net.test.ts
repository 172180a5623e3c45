// Which endpoint serves a request: by place, by label, by number of connections; and which interface type is agreed on.
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HereAndThere, hereAndThere } from '../mesh/here-and-there.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';
import { HW, interfaceOf, KERNEL, SRIOV } from '../mesh/specification.js';

describe.skipIf(!requireRoot('choices'))('the choice', () => {
  let { mesh, client, agent, connect, disconnect } = {} as HereAndThere;

  beforeAll(async () => {
    ({ mesh, client, agent, connect, disconnect } = await hereAndThere((place) => [`dual-${place}`, 'both']));
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  it('prefers an endpoint of the same node', async () => {
    const [a, b] = [mesh.a, mesh.b];
    for (const [node, endpoint] of [
      [a, 'here'],
      [b, 'there'],
      [a, 'here'],
    ] as const) {
      const connected = await nsmJson<Connected>(
        'connect',
        'both',
        '--request-id',
        'near',
        '--netns',
        client.name,
        '--run-dir',
        node.runDir,
      );
      expect(connected).toMatchObject({ endpoint, endpointManager: node.name });
      await nsmJson(
        'disconnect',
        'both',
        '--request-id',
        'near',
        '--netns',
        client.name,
        '--run-dir',
        node.runDir,
      );
    }
    expect(await mesh.sweep()).toEqual([]);
  });

  it('passes by an endpoint in the pod of the client itself, which is none the worse for it', async () => {
    const own = mesh.pod('own');
    await mesh.endpoint(mesh.a, { pod: own, name: 'own', services: ['chained', 'alone'] });
    await mesh.endpoint(mesh.b, { pod: mesh.pod('next'), name: 'next', services: ['chained'] });
    await mesh.a.knows('chained/own', 'alone/own', 'chained/next');
    const ask = (service: string, netns: string): string[] => [
      ...['connect', service, '--request-id', 'own', '--netns', netns, '--run-dir', mesh.a.runDir],
    ];
    expect(await nsmJson<Connected>(...ask('chained', own.name))).toMatchObject({ endpoint: 'next' });
    const { status, stderr } = await nsm(...ask('alone', own.name));
    expect(status).toBe(1);
    expect(stderr).toMatch(/endpoint "own" is in the client's own network namespace/);
    const plan = await nsm(...ask('alone', own.name), '--dry-run');
    expect(plan).toMatchObject({ status: 1 });
    expect(plan.stdout + plan.stderr).toMatch(/endpoint "own" is in the client's own network namespace/);
    expect(await nsmJson<Connected>(...ask('chained', client.name))).toMatchObject({ endpoint: 'own' });
    await mesh.a.closeAll();
    expect(await mesh.sweep()).toEqual([]);
  });

  describe('among several endpoints', () => {
    beforeAll(async () => {
      const endpoints = [
        [mesh.a, 'red', ['colours'], 'colour=red'],
        [mesh.b, 'blue', ['colours', 'spread'], 'colour=blue'],
        [mesh.b, 'green', ['spread'], 'colour=green'],
      ] as const;
      await Promise.all(
        endpoints.map(([node, name, services, label]) =>
          mesh.endpoint(node, { pod: mesh.pod(name), name, services, flags: ['--label', label] }),
        ),
      );
      await mesh.a.knows('colours/red', 'colours/blue', 'spread/blue', 'spread/green');
    });

    const endpointOf = async (service: string, requestId: string): Promise<string | undefined> =>
      (await mesh.a.connections()).find(
        (connection) => connection.requestId === requestId && connection.networkServiceName === service,
      )?.nseProviderName;

    it.each(['red', 'blue'])('chooses by label: %s', async (colour) => {
      const connected = await connect('colours', 'labelled', '--label', `colour=${colour}`);
      expect(connected.endpoint).toBe(colour);
      await disconnect('colours', 'labelled');
    });

    it('says which labels nobody has', async () => {
      const args = [
        'connect',
        'colours',
        '--request-id',
        'labelled',
        '--netns',
        client.name,
        '--run-dir',
        mesh.a.runDir,
      ];
      const { status, stderr } = await nsm(...args, '--label', 'colour=mauve');
      expect(status).toBe(1);
      expect(stderr).toMatch(/colour=mauve.*red.*blue|colour=mauve.*blue.*red/s);
    });

    it('gives each the same share of connections', async () => {
      const ids = ['s1', 's2', 's3', 's4'];
      const netns = client.netns;
      for (const requestId of ids)
        expect(await agent.connect(mesh.a.runDir, { requestId, service: 'spread', netns })).toMatchObject({
          error: '',
        });
      const chosen = await Promise.all(ids.map((id) => endpointOf('spread', id)));
      expect(chosen.toSorted()).toEqual(['blue', 'blue', 'green', 'green']);
      // The one that has lost a connection is the next.
      await agent.close(mesh.a.runDir, 's1', 'spread');
      await agent.connect(mesh.a.runDir, { requestId: 's5', service: 'spread', netns });
      expect(await endpointOf('spread', 's5')).toBe(chosen[0]);
      for (const id of ['s2', 's3', 's4', 's5']) await agent.close(mesh.a.runDir, id, 'spread');
      expect(await mesh.sweep()).toEqual([]);
    });
  });

  it('goes by the order of preference, and by what can be made', async () => {
    const interfaces = [interfaceOf(HW, 3), interfaceOf(KERNEL, 2), interfaceOf(SRIOV, 1)];
    const request = { requestId: 'choosy', service: 'dual-here', netns: client.netns, interfaces };
    expect(await agent.connect(mesh.a.runDir, request)).toMatchObject({
      accepted: true,
      interfaceType: KERNEL,
    });
    await agent.close(mesh.a.runDir, 'choosy', 'dual-here');
    const open = { ...request, interfaces: [interfaceOf(0)] };
    expect(await agent.connect(mesh.a.runDir, open)).toMatchObject({ accepted: true, interfaceType: KERNEL });
    await agent.close(mesh.a.runDir, 'choosy', 'dual-here');
    expect(await mesh.sweep()).toEqual([]);
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
