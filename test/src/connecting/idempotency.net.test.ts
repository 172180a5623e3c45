// The same request, however often and whenever it comes: the same reply, and nothing touched. Changed requests: applied,
// or refused with everything as it was.
import { ipJson, requireRoot, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { kernelWith, labels, readDetails } from '../mesh/extensions.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { deviceOf, devicesOf, hashOf } from '../mesh/pod-network.js';
import { type ConnectionRequest, interfaceOf, readVerdict, SRIOV } from '../mesh/specification.js';

describe.skipIf(!requireRoot('idempotency'))('a request that comes again', () => {
  let mesh: Mesh;
  let client: Pod;
  let agent: Agent;
  const pods: Record<'here' | 'there' | 'red' | 'blue', Pod> = {} as never;

  beforeAll(async () => {
    mesh = await Mesh.start();
    client = mesh.pod('client');
    for (const label of ['here', 'there', 'red', 'blue'] as const) pods[label] = mesh.pod(label);
    const coloured = (colour: 'red' | 'blue', node: typeof mesh.a): Promise<unknown> =>
      mesh.endpoint(node, {
        pod: pods[colour],
        name: colour,
        services: ['colours'],
        flags: ['--label', `colour=${colour}`, '--route', '10.99.0.0/16'],
      });
    [agent] = await Promise.all([
      mesh.agent(client),
      mesh.endpoint(mesh.a, { pod: pods.here, name: 'here', services: ['here'] }),
      mesh.endpoint(mesh.b, { pod: pods.there, name: 'there', services: ['there'] }),
      coloured('red', mesh.a),
      coloured('blue', mesh.b),
    ]);
    await mesh.a.knows('here/here', 'there/there', 'colours/red', 'colours/blue');
  });

  afterAll(async () => {
    await mesh?.stop();
  });

  const ask = (request: Omit<ConnectionRequest, 'netns'>): Promise<Uint8Array> =>
    agent.connectBytes(mesh.a.runDir, { netns: client.netns, ...request });
  const close = (requestId: string, service: string): Promise<void> =>
    agent.close(mesh.a.runDir, requestId, service);
  /** The kernel tells of the carrier of a veth pair a while after it is up. */
  const settled = (pod: Pod): Promise<unknown> =>
    waitFor(async () =>
      (await ipJson(pod.name, ['-d', 'link', 'show', 'type', 'veth'])).every(
        ({ operstate }) => operstate === 'UP',
      ),
    );
  const colour = (name: string): Pick<ConnectionRequest, 'requestId' | 'service' | 'more'> => ({
    requestId: 'changing',
    service: 'colours',
    more: [labels({ colour: name })],
  });

  describe.each(['here', 'there'] as const)('to an endpoint %s', (place) => {
    it('gets the same bytes, and the kernel sees nothing of it', async () => {
      const request = { requestId: 'again', service: place };
      const first = await ask(request);
      for (const pod of [client, pods[place]]) await settled(pod);
      // A marker tells that the monitor listens, another that it has told everything.
      await using mine = await monitor(client);
      await using theirs = await monitor(pods[place]);
      for (let n = 0; n < 5; n++) expect(await ask(request)).toEqual(first);
      expect(await mine.told()).toBe('');
      expect(await theirs.told()).toBe('');
      await close('again', place);
      expect(await mesh.sweep()).toEqual([]);
    });

    it('twenty at once make one connection', async () => {
      const request = { requestId: 'twenty', service: place };
      const other = await mesh.agent(client);
      const replies = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 ? agent : other).connectBytes(mesh.a.runDir, { ...request, netns: client.netns }),
        ),
      );
      for (const reply of replies) expect(reply).toEqual(replies[0]);
      expect(readVerdict(replies[0] ?? new Uint8Array())).toEqual({ accepted: true, error: '' });
      expect(await devicesOf(client.name)).toHaveLength(1);
      expect(await devicesOf(pods[place].name)).toHaveLength(1);
      expect(await mesh.a.connections()).toHaveLength(1);
      expect(await mesh.b.connections()).toHaveLength(place === 'here' ? 0 : 1);
      await close('twenty', place);
      expect(await mesh.sweep()).toEqual([]);
    });

    it('opening and closing the same at once ends as the last word says', async () => {
      const request = { requestId: 'race', service: place };
      await Promise.all(Array.from({ length: 6 }, () => [ask(request), close('race', place)]).flat());
      await close('race', place);
      expect(await mesh.sweep()).toEqual([]);
      await Promise.all(Array.from({ length: 3 }, () => [ask(request), close('race', place)]).flat());
      const details = readDetails(await ask(request));
      await expectTraffic(client, pods[place], details);
      expect(await devicesOf(client.name)).toHaveLength(1);
      await close('race', place);
      expect(await mesh.sweep()).toEqual([]);
    });
  });

  describe('with other content', () => {
    it('other labels: another endpoint, one connection, the interface keeps its name', async () => {
      const before = readDetails(await ask(colour('red')));
      await expectTraffic(client, pods.red, before);
      const reply = await ask(colour('blue'));
      expect(readVerdict(reply).error).toBe('');
      const after = readDetails(reply);
      expect(await devicesOf(pods.red.name)).toEqual([]);
      expect((await devicesOf(client.name)).map(({ alias }) => alias)).toEqual([after.id]);
      await expectTraffic(client, pods.blue, after);
      expect((await deviceOf(client.name, hashOf(after.id))).routes).toEqual([
        `10.99.0.0/16 via ${after.peerAddresses[0]}`,
      ]);
      expect(await ask(colour('blue'))).toEqual(reply);
      expect(after.interfaceName).toBe(before.interfaceName);
    });

    it('other labels, the interface named by the client', async () => {
      await close('changing', 'colours');
      const named = { interfaces: [kernelWith({ name: 'vpn0' })] };
      expect(readDetails(await ask({ ...colour('red'), ...named })).interfaceName).toBe('vpn0');
      const after = readDetails(await ask({ ...colour('blue'), ...named }));
      expect(after.interfaceName).toBe('vpn0');
      await expectTraffic(client, pods.blue, after);
    });

    it('a pattern for the name, and none: the interface keeps the one it has', async () => {
      await close('changing', 'colours');
      const named = (name?: string) => ({ interfaces: [kernelWith(name ? { name } : {})] });
      const nameOf = async (colours: string, name?: string): Promise<string> => {
        const details = readDetails(await ask({ ...colour(colours), ...named(name) }));
        await expectTraffic(client, pods[colours as 'red' | 'blue'], details);
        return details.interfaceName;
      };
      expect(await nameOf('red', 'vpn%d')).toBe('vpn0');
      expect(await nameOf('blue', 'vpn%d')).toBe('vpn0');
      expect(await nameOf('red')).toBe('vpn0');
      expect(await nameOf('red', 'tun%d')).toBe('tun0');
    });

    it.each([
      ['labels that nobody has', { more: [labels({ colour: 'mauve' })] }, /colour=mauve/],
      ['an interface type that nobody offers', { interfaces: [interfaceOf(SRIOV)] }, /SRIOV/],
      ['no interface', { interfaces: [] }, /interface/],
      ['a name that the pod has', { interfaces: [kernelWith({ name: 'taken' })] }, /"taken" exists already/],
      ['a name that Linux does not take', { interfaces: [kernelWith({ name: 'all' })] }, /"all" cannot name/],
    ])('%s: refused, and the old connection is untouched', async (_, change, reason) => {
      await close('changing', 'colours');
      const first = await ask(colour('red'));
      const { route } = client.namespace;
      route.addLink({ kind: 'bridge', name: 'taken' });
      const before = await devicesOf(client.name);
      const { accepted, error } = readVerdict(await ask({ ...colour('red'), ...change }));
      expect(accepted).toBe(false);
      expect(error).toMatch(reason);
      expect(await devicesOf(client.name)).toEqual(before);
      route.deleteLink('taken');
      await expectTraffic(client, pods.red, readDetails(first));
      expect(await ask(colour('red'))).toEqual(first);
    });

    it("another pod's request under the same id is another connection", async () => {
      await close('changing', 'colours');
      const first = await ask(colour('red'));
      const stranger = mesh.pod('stranger');
      const strange = await mesh.agent(stranger);
      const reply = await strange.connect(mesh.a.runDir, { ...colour('red'), netns: stranger.netns });
      expect(reply.accepted).toBe(true);
      await strange.close(mesh.a.runDir, 'changing', 'colours');
      expect(await ask(colour('red'))).toEqual(first);
      await close('changing', 'colours');
      expect(await mesh.sweep()).toEqual([]);
    });
  });

  it('leaves nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});

interface Monitor extends AsyncDisposable {
  /** What `ip monitor` said since it began, up to now. */
  told(): Promise<string>;
}

/** Watches every change of links, addresses and routes in a pod. */
const monitor = async ({ name, namespace }: Pod): Promise<Monitor> => {
  const running = await spawnIn(name, 'stdbuf', ['-oL', 'ip', 'monitor', 'link', 'address', 'route']);
  const marks = ['10.255.255.1/32', '10.255.255.2/32'] as const;
  const marked = async (address: string): Promise<string> => {
    const word = address.slice(0, -3);
    await waitFor(() => {
      // The monitor may not listen yet: the mark is made until it is seen.
      namespace.route.addAddress(1, { address });
      namespace.route.deleteAddress(1, { address });
      return running.output().includes(`${word}/32`);
    });
    return word;
  };
  await marked(marks[0]);
  const noise = (line: string): boolean => / lo |dev lo|10\.255\.255\.|fe80:|ff00:|^\s/.test(line);
  return {
    told: async () => {
      await marked(marks[1]);
      return running
        .output()
        .split('\n')
        .filter((line) => line !== '' && !noise(line))
        .join('\n');
    },
    [Symbol.asyncDispose]: () => running.stop(),
  };
};
