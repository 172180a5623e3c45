// Managers that are killed or stopped and come back: the same replies, not a packet lost, and what died meanwhile released.
import { type Running, requireRoot, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from './expect-traffic.js';
import { readDetails } from './extensions.js';
import { flow } from './flow.js';
import { type HereAndThere, hereAndThere } from './here-and-there.js';
import { nsmJson, spawnNsm } from './nsm-command.js';
import { devicesOf } from './pod-network.js';

const places = ['here', 'there'] as const;
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

  it.each(places)('a pod that ended meanwhile is released, its endpoint %s', async (place) => {
    const mortal = mesh.pod('mortal');
    await using inside = await mesh.agent(mortal);
    const reply = await inside.connect(mesh.a.runDir, {
      requestId: 'mortal',
      service: place,
      netns: mortal.netns,
    });
    expect(reply.error).toBe('');
    await mesh.a.end('SIGKILL');
    await inside.stop();
    mesh.removePod(mortal);
    await mesh.a.start();
    expect(await mesh.sweep()).toEqual([]);
  });

  it('a new pod that got the inode number of one that ended meanwhile is left alone', async () => {
    const mortal = mesh.pod('mortal');
    await using inside = await mesh.agent(mortal);
    const request = { requestId: 'mortal', service: 'here', netns: mortal.netns };
    expect((await inside.connect(mesh.a.runDir, request)).error).toBe('');
    await mesh.a.end('SIGKILL');
    await inside.stop();
    mesh.removePod(mortal);
    // The kernel gives the lowest number that is free, once it has taken the old namespace apart.
    const heir = await waitFor(() => {
      const pod = mesh.pod('heir');
      if (pod.inode === mortal.inode) return pod;
      mesh.removePod(pod);
      return undefined;
    }).catch(() => undefined);
    await mesh.a.start();
    if (!heir)
      process.stderr.write('SKIPPED inode number of a pod that ended: the kernel did not give it again\n');
    const devices = heir ? await devicesOf(heir.name) : [];
    const left = await mesh.sweep();
    expect({ devices, left }).toEqual({ devices: [], left: [] });
  });

  it.each(places)('a process that died meanwhile is released, its endpoint %s', async (place) => {
    await using holding = await hold(place);
    await mesh.a.end('SIGKILL');
    holding.child.kill('SIGKILL');
    await holding.exited;
    await mesh.a.start();
    expect(await mesh.sweep()).toEqual([]);
  });

  it('a process that lives on keeps its connection, and takes it along when it dies', async () => {
    await using holding = await hold('there');
    await mesh.a.restart('SIGKILL');
    expect(await devicesOf(client.name)).toHaveLength(1);
    expect(await mesh.b.connections()).toHaveLength(1);
    holding.child.kill('SIGKILL');
    await holding.exited;
    expect(await mesh.sweep()).toEqual([]);
  });

  it('a connection whose other half was closed meanwhile goes too', async () => {
    // In use, it is up for certain, also by what the disk says.
    await expectTraffic(client, pods.there, readDetails(await ask('there')));
    await mesh.a.end('SIGKILL');
    const onNode = await mesh.agent(pods.there);
    // The endpoint ends it while the manager of the client is away.
    await onNode.closeAsEndpoint(mesh.b.runDir, 'lasting', 'there');
    expect(await devicesOf(pods.there.name)).toEqual([]);
    await mesh.a.start();
    const remains = await mesh.remains(10_000);
    await close('there');
    expect(remains).toEqual([]);
  });

  it('a device that somebody removed meanwhile is there again', async () => {
    const reply = await ask('here');
    await mesh.a.end('SIGKILL');
    for (const { index } of await devicesOf(client.name)) client.namespace.route.deleteLink(index);
    await mesh.a.start();
    expect(await ask('here')).toEqual(reply);
    await expectTraffic(client, pods.here, readDetails(reply));
    await close('here');
    expect(await mesh.sweep()).toEqual([]);
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

  const hold = (service: string): Promise<Running> => {
    const key = [service, '--request-id', 'held', '--netns', client.name, '--run-dir', mesh.a.runDir];
    return spawnNsm(undefined, '"interfaceName"', ['connect', ...key, '--hold', '--json']);
  };
});
