// Managers that are killed or stopped and come back: the same replies, not a packet lost, and what died meanwhile released.
import { type Running, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { readDetails } from '../mesh/extensions.js';
import { flow } from '../mesh/flow.js';
import { type HereAndThere, hereAndThere } from '../mesh/here-and-there.js';
import type { Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { nsmJson, spawnNsm } from '../mesh/nsm-command.js';
import { devicesOf, hashOf } from '../mesh/pod-network.js';

const places = ['here', 'there'] as const;
type Place = (typeof places)[number];
const signals = ['SIGKILL', 'SIGTERM'] as const;

describe.skipIf(!requireRoot('restart'))('after a restart', () => {
  let { mesh, client, agent, pods } = {} as HereAndThere;

  beforeAll(async () => {
    ({ mesh, client, agent, pods } = await hereAndThere((place) => [place]));
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  const ask = (service: string, requestId = 'lasting'): Promise<Uint8Array> =>
    agent.connectBytes(mesh.a.runDir, { requestId, service, netns: client.netns });
  const close = (service: string, requestId = 'lasting'): Promise<void> =>
    agent.close(mesh.a.runDir, requestId, service);
  const devices = async (): Promise<object> => ({
    client: await devicesOf(client.name),
    here: await devicesOf(pods.here.name),
    there: await devicesOf(pods.there.name),
  });

  it('of either manager, by either signal, packets flow on and replies are the same', async () => {
    const replies = await Promise.all(places.map((place) => ask(place)));
    const details = replies.map(readDetails);
    const before = await devices();
    const [toHere = '', toThere = ''] = details.map(({ peerAddresses }) => peerAddresses[0] ?? '');
    await using here = await flow(client, toHere);
    await using there = await flow(client, toThere);
    for (const node of mesh.nodes) {
      for (const signal of signals) {
        await node.restart(signal);
        expect(await Promise.all(places.map((place) => ask(place)))).toEqual(replies);
        expect(await devices()).toEqual(before);
      }
    }
    const counts = { here: await here.end(), there: await there.end() };
    expect(counts.here.sent).toBeGreaterThan(20);
    expect(counts).toEqual({
      here: { sent: counts.here.sent, received: counts.here.sent },
      there: { sent: counts.there.sent, received: counts.there.sent },
    });
    for (const [index, place] of places.entries()) await expectTraffic(client, pods[place], details[index]!);
  });

  it('new connections get addresses of their own, and old ones can be closed', async () => {
    const old = (await Promise.all(places.map((place) => ask(place)))).map(readDetails);
    await mesh.a.knows('here/here', 'there/there');
    const fresh = (await Promise.all(places.map((place) => ask(place, 'fresh')))).map(readDetails);
    const addresses = [...old, ...fresh].flatMap((details) => [
      ...details.addresses,
      ...details.peerAddresses,
    ]);
    expect(new Set(addresses.map((address) => address.replace(/\/\d+$/, ''))).size).toBe(8);
    for (const [index, place] of places.entries()) await expectTraffic(client, pods[place], fresh[index]!);
    for (const place of places) {
      await close(place);
      await close(place, 'fresh');
    }
    expect(await mesh.sweep()).toEqual([]);
  });

  it.each(signals)('by %s both managers at once find everything again', async (signal) => {
    const replies = await Promise.all(places.map((place) => ask(place)));
    await Promise.all(mesh.nodes.map((node) => node.end(signal)));
    await mesh.a.start();
    await mesh.b.start();
    expect(await Promise.all(places.map((place) => ask(place)))).toEqual(replies);
    for (const place of places) await close(place);
    expect(await mesh.sweep()).toEqual([]);
  });

  it('of a stop others hear at once: stopped while connections remain, and no more when there are none', async () => {
    const states = async (): Promise<Record<string, boolean>> => {
      const listed = ['get', 'managers', '--run-dir', mesh.a.runDir];
      const managers = await nsmJson<{ name: string; alive: boolean; stopped: boolean }[]>(...listed);
      return Object.fromEntries(managers.map(({ name, alive, stopped }) => [`${name} ${stopped}`, alive]));
    };
    const a = `${mesh.a.name} false`;
    const held = readDetails(await ask('there'));
    await mesh.b.end('SIGTERM');
    expect(await states()).toEqual({ [a]: true, [`${mesh.b.name} true`]: false });
    await expectTraffic(client, pods.there, held);
    await mesh.b.start();
    expect(readDetails(await ask('there'))).toEqual(held);
    await close('there');
    expect(await mesh.sweep()).toEqual([]);
    await mesh.b.end('SIGTERM');
    expect(await states()).toEqual({ [a]: true });
    await mesh.b.start();
    await mesh.a.knows('there/there');
    await expectTraffic(client, pods.there, readDetails(await ask('there')));
    await close('there');
    expect(await mesh.sweep()).toEqual([]);
  });

  describe('knows what happened while it was away', () => {
    const released = [
      ...['pod-that-ended:here', 'pod-that-ended:there'],
      ...['process-that-died:here', 'process-that-died:there', 'closed-by-the-other-half'],
    ];
    const lasting = ['process-that-lives', 'device-removed'];
    let living: Running;
    let robbed: Uint8Array;
    let heir: Pod | undefined;

    beforeAll(async () => {
      const mortals = await Promise.all(places.map(inMortalPod));
      const processes = await Promise.all(places.map((place) => hold(place, `process-that-died:${place}`)));
      living = await hold('there', 'process-that-lives');
      robbed = await ask('here', 'device-removed');
      const halved = readDetails(await ask('there', 'closed-by-the-other-half'));
      // In use, it is up for certain, also by what the disk says.
      await expectTraffic(client, pods.there, halved);
      expect(await known(mesh.a)).toEqual([...released, ...lasting].sort());

      await mesh.a.end('SIGKILL');
      for (const { child, exited } of processes) {
        child.kill('SIGKILL');
        await exited;
      }
      const { interfaceName } = readDetails(robbed);
      const device = (await devicesOf(client.name)).find(({ name }) => name === interfaceName);
      client.namespace.route.deleteLink(device!.index);
      const onNode = await mesh.agent(pods.there);
      await onNode.closeAsEndpoint(mesh.b.runDir, 'closed-by-the-other-half', 'there');
      const hash = hashOf(halved.id);
      expect((await devicesOf(pods.there.name)).filter(({ alias }) => alias.endsWith(hash))).toEqual([]);
      for (const { pod, inside } of mortals) {
        await inside.stop();
        mesh.removePod(pod);
      }
      heir = await podWithNumberOf(mortals.map(({ pod }) => pod.inode));
      await mesh.a.start();
    });
    afterAll(async () => await living?.stop());

    it.each(released)('%s: the connection is released', async (requestId) => {
      const gone = async (): Promise<boolean> => !(await known(mesh.a)).includes(requestId);
      await waitFor(gone, { what: `the end of ${requestId}` });
    });

    it('a new pod that got the inode number of one that ended is left alone', async ({ skip }) => {
      if (!heir) skip('the kernel did not give that number again');
      expect(await devicesOf(heir!.name)).toEqual([]);
    });

    it('a device that somebody removed is there again', async () => {
      expect(await ask('here', 'device-removed')).toEqual(robbed);
      await expectTraffic(client, pods.here, readDetails(robbed));
      await close('here', 'device-removed');
    });

    it('a process that lives on keeps its connection, and takes it along when it dies', async () => {
      const seen = async (): Promise<unknown> => [
        await known(mesh.a),
        (await mesh.b.connections()).length,
        (await devicesOf(client.name)).length,
      ];
      // The other halves of what is released go a moment later.
      await expect.poll(seen, { timeout: 10_000 }).toEqual([['process-that-lives'], 1, 1]);
      living.child.kill('SIGKILL');
      await living.exited;
      expect(await mesh.sweep()).toEqual([]);
    });

    const known = async (node: MeshNode): Promise<string[]> =>
      (await node.connections()).map(({ requestId }) => requestId).sort();
    const inMortalPod = async (place: Place): Promise<{ readonly pod: Pod; readonly inside: Agent }> => {
      const pod = mesh.pod('mortal');
      const inside = await mesh.agent(pod);
      const requestId = `pod-that-ended:${place}`;
      const reply = await inside.connect(mesh.a.runDir, { requestId, service: place, netns: pod.netns });
      expect(reply.error).toBe('');
      return { pod, inside };
    };
    /** The kernel gives the lowest number that is free, once it has taken the old namespace apart. */
    const podWithNumberOf = (inodes: readonly number[]): Promise<Pod | undefined> =>
      waitFor(() => {
        const pod = mesh.pod('heir');
        if (inodes.includes(pod.inode)) return pod;
        mesh.removePod(pod);
        return undefined;
      }).catch(() => undefined);
    const hold = (service: Place, requestId: string): Promise<Running> => {
      const key = [service, '--request-id', requestId, '--netns', client.name, '--run-dir', mesh.a.runDir];
      return spawnNsm(undefined, '"interfaceName"', ['connect', ...key, '--hold', '--json']);
    };
  });

  it('is missed by a manager that shares connections with it, and has its lease yet', async () => {
    const request = { requestId: 'missed', service: 'there', netns: client.netns };
    expect((await agent.connect(mesh.a.runDir, request)).error).toBe('');
    await mesh.b.end('SIGKILL');
    const status = () =>
      nsmJson<{
        readonly findings: readonly { readonly what: string }[];
        readonly managers: readonly { readonly name: string; readonly silent: boolean }[];
      }>('status', '--run-dir', mesh.a.runDir);
    const told = await waitFor(
      async () => {
        const { findings, managers } = await status();
        return findings.some(({ what }) => /managers ended without a word: node-b/.test(what)) && managers;
      },
      { what: 'word of the manager that was killed' },
    );
    expect(told).toContainEqual(expect.objectContaining({ name: 'node-b', alive: true, silent: true }));
    await mesh.b.start();
    await waitFor(async () => (await status()).managers.every(({ silent }) => !silent));
    await agent.close(mesh.a.runDir, 'missed', 'there');
  });

  it('while the registry is away, a node finds its own endpoints, new ones too, and waits for nobody', async () => {
    const late = mesh.pod('late');
    // Node b has addresses to give from now on.
    const before = { requestId: 'before', service: 'there', netns: client.netns };
    expect((await agent.connect(mesh.b.runDir, before)).error).toBe('');
    await agent.close(mesh.b.runDir, 'before', 'there');
    await mesh.a.end('SIGKILL');
    await using endpoint = await mesh.endpoint(mesh.b, { pod: late, name: 'late', services: ['late'] });
    const request = { requestId: 'late', service: 'late', netns: client.netns };
    const details = readDetails(await agent.connectBytes(mesh.b.runDir, request));
    await expectTraffic(client, late, details);
    await mesh.b.restart('SIGKILL');
    expect(mesh.b.manager.output()).not.toContain('not registered yet');
    expect(readDetails(await agent.connectBytes(mesh.b.runDir, request))).toEqual(details);
    await expectTraffic(client, late, details);
    await agent.close(mesh.b.runDir, 'late', 'late');
    await mesh.a.start();
    await mesh.a.knows('late/late');
    await endpoint.stop();
    expect(await mesh.sweep()).toEqual([]);
  });

  it('in the middle of a burst what was begun is ended before the store is closed, and nothing is lost', async () => {
    const ids = Array.from({ length: 40 }, (_, n) => `burst-${n}`);
    let told: string[] = [];
    for (const after of [1, 5, 15]) {
      told = [];
      let ended: Promise<unknown> | undefined;
      const burst = ids.map(async (id, n) => {
        await ask(places[n % 2]!, id);
        told.push(id);
        if (told.length === after) ended ??= mesh.a.end('SIGTERM');
      });
      await Promise.allSettled(burst);
      expect(await ended).toBe(0);
      await mesh.a.start();
    }
    const kept = (await mesh.a.connections()).map(({ requestId }) => requestId);
    expect(kept).toEqual(expect.arrayContaining(told));
    expect(mesh.nodes.flatMap((node) => node.errors())).toEqual([]);
    expect(mesh.a.log).not.toMatch(/"level":40.*(not on the disk|a step was not undone)/);
    await mesh.a.closeAll();
    expect(await mesh.sweep()).toEqual([]);
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
