// Only the two ends of a connection send into it, and each only as itself: section "Dataplane" of docs/security.md.
import { PacketSocket, ping, requireRoot, run, type TestNamespace, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MeshNode } from '../mesh/mesh-node.js';
import { nsmJson } from '../mesh/nsm-command.js';
import { hashOf } from '../mesh/pod-network.js';
import { missingTestpmd } from '../mesh/testpmd.js';
import { underlayDevice } from '../mesh/underlay.js';
import { type Attachment, type Connection, kinds, PacketStage } from '../packets/packet-stage.js';
import { directionsOf, type PodEnd } from '../packets/pod-end.js';
import { framesOf, ofAnyMac } from './foreign-frames.js';
import { forgeries } from './tunnel-frames.js';
import { masquerade, sendDatagram } from './underlay-senders.js';

/** All kinds over both versions of IP, and every sort of interface; else in pairs. */
const thorough = process.env.SECURITY === 'thorough';
const etherTypes = [0x0800, 0x86dd, 0x0806];
const pattern = 'c0ffee44';

/** Ways between two pods: over a kind of tunnel, or on one node, from one sort of interface to another. */
type Way = readonly [kind: string, near: Attachment, far: Attachment];
const here = 'one node';
const quickKinds: readonly string[] = ['VXLAN', 'MPLSoUDP', 'MPLSoEthernet'];

/** Over tunnels one sort stands for the other: both have a TAP device at the node's end. */
const sharedOf = (kind: string): readonly Attachment[] => {
  if (kind === here) return thorough ? ['mem', 'vhost'] : ['mem'];
  return thorough ? ['mem'] : [];
};

const ports = { VXLAN: 4789, VXLAN_GRE: 4790, MPLSoUDP: 6635 } as const;

describe.skipIf(!requireRoot('dataplane')).each(thorough ? ([4, 6] as const) : ([4] as const))(
  'the dataplane over IPv%i',
  (underlay) => {
    let stage: PacketStage;
    const missing = new Map<string, string>();
    const tried = thorough ? kinds : quickKinds;

    beforeAll(async () => {
      const engines = ['ebpf', 'ebpf'] as const;
      stage = await PacketStage.start({ underlay, cable: 'veth', mtu: 1500, engines, sourceCheck: 'on' });
      for (const node of stage.mesh.nodes)
        for (const [kind, why] of await node.missingTunnels()) missing.set(kind, why);
    }, 60_000);
    afterAll(async () => await stage?.[Symbol.asyncDispose]());

    const connected = new Map<string, Connection>();
    const connect = async ([kind, near, far]: Way): Promise<Connection> => {
      const key = `${kind} ${near} ${far}`;
      const connection =
        connected.get(key) ??
        (kind === here ? await stage.connectHere(near, far) : await stage.connect(kind, near, far));
      connected.set(key, connection);
      await ping(connection.near.namespace.name, connection.far.addresses[4]);
      return connection;
    };
    const skipMissing = (kind: string, skip: (why: string) => void, ...ends: readonly Attachment[]): void => {
      const why = missing.get(kind) ?? (ends.includes('vhost') ? missingTestpmd() : undefined);
      if (why !== undefined) skip(why);
    };

    const drops = async (id: string, node: MeshNode): Promise<Readonly<Record<string, unknown>>> => {
      const known = (await node.connections()).find((one) => hashOf(one.id) === hashOf(id));
      return known?.statistics?.drops ?? {};
    };
    let masqueraded: TestNamespace | undefined;
    const behind = async (node: TestNamespace): Promise<TestNamespace> => {
      if (masqueraded) return masqueraded;
      masqueraded = stage.mesh.pod('masqueraded').namespace;
      await masquerade(node, masqueraded, underlay);
      return masqueraded;
    };

    const ways: readonly Way[] = [here, ...tried].flatMap((kind): Way[] => [
      [kind, 'kernel', 'kernel'],
      ...sharedOf(kind).flatMap((type): Way[] => [
        [kind, type, 'kernel'],
        [kind, 'kernel', type],
      ]),
    ]);
    it.for(ways)(
      'a pod sends only from its own addresses and MAC, and a pod gives the other side no address and no route but those that were agreed on: %s, %s to %s',
      async (way, { skip }) => {
        skipMissing(way[0], skip, way[1], way[2]);
        const connection = await connect(way);
        for (const { from, to, what } of directionsOf(connection)) {
          const frames = framesOf(from, to);
          const kind = what === '→' ? way[1] : way[2];
          const { own, foreign } = kind === 'kernel' ? frames : ofAnyMac(frames);
          using sender = new PacketSocket(from.namespace.namespace, from.device.index);
          const seen = await arrivals(to, () => {
            for (const frame of [...foreign.values(), ...own.values()]) attempt(() => sender.send(frame));
          });
          const arrived = await seen(own.size);
          expect([what, arrived]).toEqual([what, [...own.keys()].toSorted()]);
        }
        if (way[1] !== 'kernel' || way[2] === 'kernel')
          expect(await drops(connection.id, stage.mesh.a)).toHaveProperty(['sent, not from its own address']);
      },
    );

    it.for(tried)(
      'another host cannot send into a tunnel, however it packs that: %s',
      async (kind, { skip }) => {
        skipMissing(kind, skip);
        const { near, far } = await connect([kind, 'kernel', 'kernel']);
        const [a, b] = stage.mesh.nodes.map(({ namespace }) => namespace);
        using wire = new PacketSocket(a!.namespace, a!.route.link(underlayDevice)!.index, { incoming: true });
        using attacker = new PacketSocket(b!.namespace, b!.route.link(underlayDevice)!.index, {
          bypass: true,
        });
        using pod = new PacketSocket(near.namespace.namespace, near.device.index, { incoming: true });
        await run(far.namespace.name, 'ping', ['-c', '1', '-W', '1', '-p', pattern, near.addresses[4]]);
        const marked = (frame: Buffer): boolean => frame.includes(Buffer.from(pattern, 'hex'));
        const packet = await wire.receive(marked, 'a packet of the tunnel');
        await waitFor(() => pod.seen().some(({ frame }) => marked(frame)), { what: 'the packet' });
        for (const [name, pieces] of forgeries(packet)) {
          for (const piece of pieces) attacker.send(piece);
          // What the other end has sent does arrive, and after all that came before.
          attacker.send(packet);
          const arrived: Buffer[] = [];
          const look = (): boolean => {
            arrived.push(...pod.seen().flatMap(({ frame }) => (marked(frame) ? [frame] : [])));
            return arrived.length > 0;
          };
          await waitFor(look, { what: `the packet after one ${name}` });
          expect([name, arrived.length]).toEqual([name, 1]);
        }
      },
    );

    it.for(Object.keys(ports).filter((kind) => tried.includes(kind)))(
      'no program and no pod of a node sends into its tunnels: %s',
      async (kind, { skip }) => {
        skipMissing(kind, skip);
        const { near, far, id } = await connect([kind, 'kernel', 'kernel']);
        const [a, b] = stage.mesh.nodes;
        const port = ports[kind as keyof typeof ports];
        const node = b!.namespace;
        using wire = new PacketSocket(
          a!.namespace.namespace,
          a!.namespace.route.link(underlayDevice)!.index,
          {
            incoming: true,
          },
        );
        await run(far.namespace.name, 'ping', ['-c', '1', '-W', '1', '-p', pattern, near.addresses[4]]);
        const packet = await wire.receive((frame) => frame.includes(Buffer.from(pattern, 'hex')), 'a packet');
        // Behind Ethernet, IP and UDP.
        const payload = packet.subarray(14 + (underlay === 4 ? 20 : 40) + 8);
        using pod = new PacketSocket(near.namespace.namespace, near.device.index, { incoming: true });
        const datagram = { to: a!.address, port, payload };
        sendDatagram(node, datagram);
        sendDatagram(await behind(node), datagram);
        // A program of the other node, in the name of this one.
        if (underlay === 6) sendDatagram(a!.namespace, { ...datagram, source: b!.address });
        await waitFor(async () => Number((await drops(id, b!))['sent, not by the pod'] ?? 0) >= 2, {
          what: 'two packets that were dropped',
        });
        expect(await ping(far.namespace.name, near.addresses[4])).toMatchObject({ received: 1 });
        const marked = pod.seen().filter(({ frame }) => frame.includes(Buffer.from(pattern, 'hex')));
        expect(marked).toEqual([]);
      },
    );

    it('a pod that may configure its own network reaches no other tunnel', async ({ skip }) => {
      skipMissing('VXLAN', skip);
      const { near, far } = await connect(['VXLAN', 'kernel', 'kernel']);
      // Its near end is what would be the kernel's tunnel device; into one of ours no packet of another program goes.
      const other = await connect(['VXLAN', 'kernel', 'mem']);
      const { tunnels } = await nsmJson<{ tunnels: { identifier: number }[] }>(
        ...['get', 'tunnels', '--run-dir', stage.mesh.a.runDir],
      );
      const rights = ['--bounding-set', '-all,+net_admin,+net_raw', '--inh-caps', '-all,+net_admin,+net_raw'];
      using sender = new PacketSocket(near.namespace.namespace, near.device.index);
      for (const { identifier } of tunnels) {
        const entry = ['replace', other.far.mac, 'dev', near.device.name, 'dst', stage.mesh.b.address];
        // What is no tunnel device may refuse it.
        await run(near.namespace.name, 'setpriv', [
          ...[...rights, 'bridge', 'fdb', ...entry, 'vni', String(identifier)],
        ]).catch(() => undefined);
        const seen = await arrivals(other.far, () => {
          for (const frame of framesOf(near, other.far).own.values()) sender.send(frame);
        });
        expect(await ping(near.namespace.name, far.addresses[4])).toMatchObject({ received: 1 });
        expect([identifier, await seen(0)]).toEqual([identifier, []]);
      }
    });
  },
);

/** What arrives at an end, by name: call `begin`'s result with how many there will be. */
const arrivals = async (
  { namespace, device }: PodEnd,
  send: () => void,
): Promise<(least: number) => Promise<string[]>> => {
  const sockets = etherTypes.map(
    (type) => new PacketSocket(namespace.namespace, device.index, { type, incoming: true }),
  );
  send();
  return async (least) => {
    const names = new Set<string>();
    const look = (): boolean => {
      for (const socket of sockets)
        for (const { frame } of socket.seen()) {
          const text = frame.toString('latin1');
          const at = text.lastIndexOf('mark of ');
          if (at >= 0) names.add(text.slice(at + 8, text.indexOf('.', at)));
        }
      return names.size >= least;
    };
    try {
      await waitFor(look, { timeout: 5_000, what: `${least} frames` }).catch(() => undefined);
      return [...names].toSorted();
    } finally {
      for (const socket of sockets) socket[Symbol.dispose]();
    }
  };
};

/** Of a frame that is dropped at once the sender hears (ENOBUFS). */
const attempt = (send: () => void): void => {
  try {
    send();
  } catch (error) {
    if (!String(error).includes('No buffer space')) throw error;
  }
};
