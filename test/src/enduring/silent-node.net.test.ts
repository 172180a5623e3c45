// The only node that provides a service falls silent, and much happens until it is heard again: its clients are up by
// themselves, each because its own packets come back.
import { rmSync } from 'node:fs';
import { ping, type Running, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsmJson } from '../mesh/nsm-command.js';
import { bare } from '../mesh/pod-network.js';
import { underlayDevice } from '../mesh/underlay.js';

describe.skipIf(!requireRoot('silent node'))('clients of a node that is silent for a while', () => {
  let mesh: Mesh;
  let there: Pod;
  let endpoint: Running;
  let connected: (readonly [Pod, Connected])[];

  const serve = async (): Promise<void> => {
    there = mesh.pod('there');
    endpoint = await mesh.endpoint(mesh.b, { pod: there, name: 'there', services: ['only'] });
  };
  const clientOf = ({ name }: Pod): string[] => [
    '--request-id',
    name,
    '--netns',
    name,
    '--run-dir',
    mesh.a.runDir,
  ];
  const states = async (): Promise<string[]> =>
    (await mesh.a.connections()).map(({ state, detail }) => `${state} ${detail}`);
  const allSay = (words: RegExp): Promise<unknown> =>
    waitFor(async () => (await states()).every((state) => words.test(state)), { timeout: 15_000 });
  const passes = async ([pod, { peerAddresses }]: readonly [Pod, Connected]): Promise<boolean> =>
    (await ping(pod.name, bare(peerAddresses[0] ?? ''), { deadline: 1 })).received === 1;
  const inPod = (pod: Pod, ...words: string[]): Promise<string> =>
    run(undefined, 'ip', ['-n', pod.name, ...words]);
  const underlay = (state: 'up' | 'down'): Promise<string> =>
    run(undefined, 'ip', ['-n', mesh.b.namespace.name, 'link', 'set', underlayDevice, state]);
  /** Up, as nobody asked for it, with its name, its addresses and its packets. */
  const expectAllUp = async (): Promise<void> => {
    await allSay(/^UP/);
    for (const one of connected) expect(await passes(one)).toBe(true);
  };

  beforeAll(async () => {
    mesh = await Mesh.start();
    await serve();
    await mesh.a.knows('only/there');
    const clients = ['one', 'two', 'three'].map((name) => mesh.pod(name));
    connected = await Promise.all(
      clients.map(
        async (pod) => [pod, await nsmJson<Connected>('connect', 'only', ...clientOf(pod))] as const,
      ),
    );
  });
  afterAll(async () => {
    await mesh?.stop();
  });

  it('are not taken for silent when somebody renames their interfaces', { timeout: 60_000 }, async () => {
    for (const [pod, { interfaceName }] of connected)
      await inPod(pod, 'link', 'set', interfaceName, 'name', 'theirs');
    const named = async (): Promise<unknown> =>
      Promise.all(connected.map(([pod, { interfaceName }]) => inPod(pod, 'link', 'show', interfaceName)));
    await waitFor(named, { timeout: 35_000 });
    expect(mesh.a.log).not.toContain('no packets come back');
    await expectAllUp();
  });

  it('are up again, whatever happened to their interfaces meanwhile', async () => {
    const [one, two, three] = connected.map(([pod, { interfaceName }]) => [pod, interfaceName] as const);
    await underlay('down');
    await allSay(/no packets come back/);
    await inPod(one![0], 'link', 'delete', one![1]);
    await inPod(two![0], 'address', 'flush', 'dev', two![1]);
    await inPod(three![0], 'link', 'set', three![1], 'name', 'theirs');
    await underlay('up');
    await expectAllUp();
    for (const [pod, name] of [one!, two!, three!]) await inPod(pod, 'link', 'show', name);
  });

  it('are up again when it comes back without its memory', async () => {
    await mesh.b.end('SIGKILL');
    endpoint.child.kill('SIGKILL');
    await endpoint.exited;
    mesh.removePod(there);
    await allSay(/no packets come back/);
    rmSync(mesh.b.stateDir, { recursive: true });
    await mesh.b.start();
    await serve();
    await expectAllUp();
  });

  it('leaves nothing behind', async () => {
    for (const [pod] of connected) await nsmJson('disconnect', 'only', ...clientOf(pod));
    expect(await mesh.finish()).toEqual([]);
  });
});
