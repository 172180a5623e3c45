// What every kind of tunnel must do on a real kernel, over both underlays; and that tshark reads it as what it is meant to be.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { TunnelType, tunnelNames } from '@nsm/api';
import { EthtoolSocket } from '@nsm/netlink';
import { ipJson, leaks, PacketSocket, ping, requireRoot, run, spawnIn, tried, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { VxlanEngine } from '../index.js';
import {
  congested,
  fixChecksum,
  fragmented,
  fromAnotherHost,
  fromElsewhere,
  ofAnother,
  pcap,
  stackedLabels,
  toElsewhere,
} from './frames.test.tool.js';
import { transfer } from './transfer.test.tool.js';
import {
  half,
  identifier,
  join,
  kinds,
  makeStage,
  missingKinds,
  podAddresses,
  ports,
  type Stage,
  underlayAddresses,
  type Version,
} from './tunnel.test.mesh.js';

afterAll(() => expect(leaks()).toEqual([]));

const { VXLAN, VXLAN_GRE, GRE, MPLSoGRE, MPLSoUDP, MPLSoEthernet } = TunnelType;
const versions = [4, 6] as const;

/** Pod MTU on an underlay of 1500 bytes. */
const mtus: Readonly<Record<number, Readonly<Record<Version, number>>>> = {
  [VXLAN]: { 4: 1450, 6: 1430 },
  [VXLAN_GRE]: { 4: 1450, 6: 1430 },
  [GRE]: { 4: 1458, 6: 1438 },
  [MPLSoGRE]: { 4: 1458, 6: 1438 },
  [MPLSoUDP]: { 4: 1454, 6: 1434 },
  [MPLSoEthernet]: { 4: 1482, 6: 1482 },
};
/** Bytes from the end of the underlay's IP header (for MPLSoEthernet, of Ethernet) to the last of the identifier. */
const identifierEnd: Readonly<Record<number, number>> = {
  [VXLAN]: 14,
  [VXLAN_GRE]: 14,
  [GRE]: 7,
  [MPLSoGRE]: 5,
  [MPLSoUDP]: 9,
  [MPLSoEthernet]: 1,
};
const headersBelow = (type: TunnelType, version: Version): number =>
  type === MPLSoEthernet ? 14 : version === 4 ? 34 : 54;
/** Protocols as tshark names them, from the tunnel header to the inner Ethernet. */
const dissected: Readonly<Record<number, RegExp>> = {
  [VXLAN]: /udp:vxlan:eth/,
  // tshark 4.0 leaves the GPE header out of the list.
  [VXLAN_GRE]: /udp:(vxlan:)?eth/,
  [GRE]: /gre:eth/,
  [MPLSoGRE]: /gre:mpls(:pweth\w*)*:eth/,
  [MPLSoUDP]: /udp:mpls(:pweth\w*)*:eth/,
  [MPLSoEthernet]: /^eth:ethertype:mpls(:pweth\w*)*:eth/,
};

const missing = requireRoot('tunnels') ? await missingKinds() : new Map<TunnelType, string>();
const all = [
  ...kinds.filter((type) => !missing.has(type)).map((type) => ({ type, engine: 'ebpf' as VxlanEngine })),
  { type: VXLAN, engine: 'kernel' as VxlanEngine },
].flatMap((one, n) =>
  versions.map((version) => ({ ...one, n, name: `${tunnelNames[one.type]} by ${one.engine}`, version })),
);
// Each kind over one of both, and each of both below half of the kinds.
const cases = tried(all, ({ n, version }) => version === versions[n % 2]);
for (const [type, why] of missing) process.stderr.write(`SKIPPED ${tunnelNames[type]}: ${why}\n`);

describe.skipIf(!requireRoot('tunnels'))('tunnels', () => {
  /** A packet of a client, from each tunnel. */
  const written: { readonly name: string; readonly type: TunnelType; readonly frame: Buffer }[] = [];

  describe.each(cases)('$name over IPv$version', ({ name, type, version, engine }) => {
    /** Of what the kernel's vxlan device does otherwise, vxlan-device.net.test.ts tells. */
    const byBpf = (what: string, test: () => Promise<void>): void => {
      if (engine === 'ebpf') it(what, test);
    };
    let stage: Stage;
    beforeAll(async () => {
      stage = await makeStage([{ vxlanEngine: engine }, { vxlanEngine: engine }]);
    });
    afterEach(async () => await stage.renewPods());
    afterAll(async () => await stage.remove());

    const device = (side: 0 | 1): number => stage.pods[side].route.link('nsm0')!.index;
    const under = (side: 0 | 1): number => stage.nodes[side].route.link('under')!.index;
    const statistics = (side: 0 | 1) =>
      stage.threads[side].client.getStatistics({ crossConnect: half(stage, side, type, version, 1400) });

    it('carries IPv4, IPv6 and their neighbour resolution, up to its MTU', async () => {
      const { mtu, halves } = await join(stage, type, version);
      expect(mtu).toBe(mtus[type]![version]);
      expect(await stage.threads[0].client.probe({ crossConnect: halves[0], timeoutMs: 5000 })).toMatchObject(
        { answered: true },
      );
      for (const inner of versions) {
        const full = mtu - (inner === 4 ? 28 : 48);
        const address = podAddresses[inner][1];
        expect(await ping(stage.pods[0].name, address, { count: 2 })).toMatchObject({ received: 2 });
        expect(await ping(stage.pods[0].name, address, { count: 2, size: full, df: true })).toMatchObject({
          received: 2,
        });
        expect((await ping(stage.pods[0].name, address, { size: full + 1, df: true })).output).toMatch(
          /message too long, mtu[=:]/,
        );
      }
      const [neighbour] = await ipJson(stage.pods[0].name, ['neigh', 'show', podAddresses[6][1]]);
      expect(neighbour).toMatchObject({ lladdr: '02:00:00:00:00:02' });
    });

    byBpf('offers of a large underlay what it can carry', async () => {
      const resize = (mtu: number): void => {
        for (const side of [0, 1] as const) stage.nodes[side].route.setLink(under(side), { mtu });
      };
      resize(65_535);
      try {
        const { mtu } = await join(stage, type, version);
        expect(mtu).toBe(mtus[type]![version] - 1500 + 15_360);
        const size = mtu - 28;
        expect(
          await ping(stage.pods[0].name, podAddresses[4][1], { count: 2, size, df: true }),
        ).toMatchObject({ received: 2 });
      } finally {
        resize(1500);
      }
    });

    it('carries frames of any sort, with VLAN tags or without', async () => {
      await join(stage, type, version);
      // What is sent before the kernel has activated a device's queue, a moment after it is up, is lost.
      await ping(stage.pods[0].name, podAddresses[4][1]);
      using client = new PacketSocket(stage.pods[0].namespace, device(0));
      using endpoint = new PacketSocket(stage.pods[1].namespace, device(1));
      const addresses = '020000000002020000000001';
      // Big enough that nothing is padded.
      const rest = 'c0ffee'.repeat(40);
      const header = `45000064000040004001${'0000'}0a3c00010a3c0000`;
      const frames = {
        tagged: `${addresses}8100006488b5${rest}`,
        'tagged IPv4': `${addresses}810000650800${header}${rest.slice(0, 160)}`,
        'tagged twice': `${addresses}88a800c88100006488b5${rest}`,
        'of an unknown type': `${addresses}88b5${rest}`,
        'for everyone': `ffffffffffff020000000001${'88b6'}${rest}`,
      };
      for (const [what, hex] of Object.entries(frames)) {
        const frame = Buffer.from(hex, 'hex');
        client.send(frame);
        const arrived = await endpoint.receive((one) => one.includes(frame.subarray(-40)), what);
        expect(arrived.toString('hex'), what).toBe(hex);
      }
      // Shorter than Ethernet allows: it arrives, padded.
      const short = Buffer.from(`${addresses}88b7beef`, 'hex');
      client.send(short);
      const arrived = await endpoint.receive((one) => one.readUInt16BE(12) === 0x88b7, 'short frame');
      expect(arrived.subarray(0, short.length)).toEqual(short);
    });

    byBpf('drops what is not right, and says why', async () => {
      await join(stage, type, version);
      using wire = new PacketSocket(stage.nodes[0].namespace, under(0));
      using attacker = new PacketSocket(stage.nodes[1].namespace, under(1), { bypass: true });
      const below = headersBelow(type, version);
      await ping(stage.pods[0].name, podAddresses[4][1]);
      const wanted = (frame: Buffer): boolean =>
        frame.subarray(0, 6).equals(mac(stage, 0)) && frame.includes(Buffer.from('c0ffee11', 'hex'));
      // From the endpoint to the client, where a packet like it will be seen or counted.
      await run(stage.pods[1].name, 'ping', ['-c', '1', '-p', 'c0ffee11', podAddresses[4][0]]);
      const good = await wire.receive(wanted, 'a packet from the endpoint');

      // Neighbours are looked up at any time: once without one is enough.
      await waitFor(
        async () => {
          const before = await statistics(0);
          attacker.send(good);
          const after = await statistics(0);
          expect(after.receivedPackets - before.receivedPackets).toBe(1n);
          expect(after.receivedBytes - before.receivedBytes).toBe(98n);
          return true;
        },
        { what: 'a packet counted once' },
      );

      const bad: [string, Buffer][] = [
        ['received by the whole node, unknown identifier', ofAnother(good, below + identifierEnd[type]!)],
      ];
      if (type === MPLSoEthernet)
        bad.push(
          ['received, truncated', good.subarray(0, 28)],
          ['received, wrong source address', fromAnotherHost(good)],
        );
      else {
        bad.push(
          ['received, truncated', good.subarray(0, -10)],
          ['received, wrong source address', fromElsewhere(good)],
          ['received, fragmented', fragmented(good)],
          ['received, congestion', congested(good)],
        );
        if (version === 4) {
          const broken = Buffer.from(good);
          broken[24] = broken[24]! ^ 0xff;
          bad.push(['received, malformed', broken]);
        }
      }
      for (const [reason, frame] of bad) {
        const { drops: old } = await statistics(0);
        attacker.send(frame);
        const { drops } = await statistics(0);
        expect((drops[reason] ?? 0n) - (old[reason] ?? 0n), reason).toBe(1n);
      }
      expect((await statistics(0)).receivedDrops).toBe(BigInt(bad.length - 1));
      expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
      expect(fixChecksum(Buffer.from(good))).toEqual(good);
    });

    byBpf('drops what nobody here wants, and leaves to others what they may want', async () => {
      await join(stage, type, version);
      using wire = new PacketSocket(stage.nodes[0].namespace, under(0));
      using attacker = new PacketSocket(stage.nodes[1].namespace, under(1), { bypass: true });
      await run(stage.pods[1].name, 'ping', ['-c', '1', '-p', 'c0ffee33', podAddresses[4][0]]);
      const good = await wire.receive(
        (frame) =>
          frame.subarray(0, 6).equals(mac(stage, 0)) && frame.includes(Buffer.from('c0ffee33', 'hex')),
        'a packet from the endpoint',
      );
      const stray = ofAnother(good, headersBelow(type, version) + identifierEnd[type]!);
      // A node's address at which no tunnel ends; without addresses, labels below the first.
      const others = type === MPLSoEthernet ? stackedLabels(stray) : toElsewhere(stray);
      const unmatched = async (): Promise<bigint> =>
        (await statistics(0)).drops['received by the whole node, unknown identifier'] ?? 0n;
      const before = await unmatched();
      // Bound to one EtherType, it sees what is left after traffic control.
      using kernel = new PacketSocket(stage.nodes[0].namespace, under(0), { type: good.readUInt16BE(12) });
      attacker.send(stray);
      attacker.send(others);
      const first = await kernel.receive(
        (frame) => frame.includes(Buffer.from('c0ffee33', 'hex')),
        'a packet passed on',
      );
      expect(first).toEqual(others);
      expect(await unmatched()).toBe(before + 1n);

      const port = ports[type];
      if (port === undefined) return;
      await using listening = await spawnIn(stage.nodes[0].name, process.execPath, [
        ...['-e', listener, String(port), `udp${version}`],
      ]);
      await waitFor(() => listening.output().includes('listening'), { what: 'listener' });
      attacker.send(stray);
      expect(
        await kernel.receive((frame) => frame.includes(Buffer.from('c0ffee33', 'hex')), 'a packet passed on'),
      ).toEqual(stray);
      expect(await unmatched()).toBe(before + 1n);
      expect(await ping(stage.pods[0].name, podAddresses[4][1])).toMatchObject({ received: 1 });
    });

    byBpf('counts what finds no neighbour', async () => {
      const { halves, mtu } = await join(stage, type, version);
      await ping(stage.pods[0].name, podAddresses[4][1]);
      expect((await statistics(0)).sentDrops).toBe(0n);
      const nobody = version === 4 ? '10.9.0.99' : 'fd09::99';
      await stage.threads[0].client.apply(half(stage, 0, type, version, mtu, { remote: nobody }));
      await using pinging = await spawnIn(stage.pods[0].name, 'ping', ['-i', '0.05', podAddresses[4][1]]);
      const lost = await waitFor(
        async () => {
          const { sentDrops, drops } = await statistics(0);
          expect(drops['sent, no neighbour'] ?? 0n).toBe(sentDrops);
          return sentDrops >= 3n ? sentDrops : undefined;
        },
        { what: 'packets counted as lost' },
      );
      expect(pinging.output()).not.toContain('bytes from');
      await stage.threads[0].client.apply(halves[0]);
      await waitFor(() => pinging.output().includes('bytes from'), { what: 'replies' });
      expect((await statistics(0)).sentDrops).toBeGreaterThanOrEqual(lost);
    });

    byBpf('spreads flows over UDP source ports, where there are any', async () => {
      if (ports[type] === undefined) return;
      await join(stage, type, version);
      await ping(stage.pods[0].name, podAddresses[4][1]);
      using wire = new PacketSocket(stage.nodes[1].namespace, under(1));
      await run(stage.pods[0].name, process.execPath, ['-e', datagrams, podAddresses[4][1]]);
      const sources = new Map<number, Set<number>>();
      let seen = 0;
      await wire.receive((frame) => {
        const marked = frame.indexOf(Buffer.from('c0ffee55', 'hex'));
        // The pod's answers, that nothing listens there, quote them.
        if (marked < 0 || !frame.subarray(0, 6).equals(mac(stage, 1))) return false;
        const flow = frame.readUInt16BE(marked - 6);
        sources.set(
          flow,
          (sources.get(flow) ?? new Set()).add(frame.readUInt16BE(headersBelow(type, version))),
        );
        return ++seen === 32;
      }, 'two datagrams of each flow');
      expect([...sources.values()].map(({ size }) => size)).toEqual(Array(16).fill(1));
      expect(new Set([...sources.values()].flatMap((ports) => [...ports])).size).toBeGreaterThan(4);
    });

    it('writes headers as they are described', async () => {
      await join(stage, type, version);
      await ping(stage.pods[0].name, podAddresses[4][1]);
      using wire = new PacketSocket(stage.nodes[1].namespace, under(1));
      // ECT(1): the outer header must say the same.
      await run(stage.pods[0].name, 'ping', ['-c', '1', '-Q', '1', '-p', 'c0ffee22', podAddresses[4][1]]);
      const frame = await wire.receive(
        (one) => one.subarray(0, 6).equals(mac(stage, 1)) && one.includes(Buffer.from('c0ffee22', 'hex')),
        'a packet of the client',
      );
      const below = headersBelow(type, version);
      if (type !== MPLSoEthernet) {
        const [local, remote] = underlayAddresses[version];
        expect(addressesIn(frame)).toEqual([local, remote]);
        expect(version === 4 ? frame[22] : frame[21]).toBe(64);
        expect(version === 4 ? frame[15]! & 3 : (frame[15]! >> 4) & 3).toBe(1);
        expect(fixChecksum(Buffer.from(frame))).toEqual(frame);
      }
      if (type === VXLAN || type === VXLAN_GRE || type === MPLSoUDP) {
        expect(frame.readUInt16BE(below)).toBeGreaterThanOrEqual(0xc000);
        if (engine === 'ebpf') expect(frame.readUInt16BE(below + 6)).toBe(0);
      }
      written.push({ name: `${name} over IPv${version}`, type, frame });
    });

    // The last two leave the underlay changed.
    it('carries TCP, also where the underlay cuts segments itself', async () => {
      await join(stage, type, version);
      await expectTransfers(stage, 3_000_000);
      for (const side of [0, 1] as const) {
        using ethtool = EthtoolSocket.open(stage.nodes[side].namespace);
        ethtool.setOffloads(under(side), { tso: false, gso: false, 'udp-segmentation': false });
      }
      await expectTransfers(stage, 1_000_000);
    });

    byBpf('answers what is too large for it, and TCP goes on', async () => {
      const { mtu } = await join(stage, type, version);
      for (const side of [0, 1] as const) stage.pods[side].route.setLink('nsm0', { mtu: 1500 });
      await ping(stage.pods[0].name, podAddresses[4][1]);
      expect(
        (await ping(stage.pods[0].name, podAddresses[4][1], { size: mtu - 27, df: true })).output,
      ).toContain(`Frag needed and DF set (mtu = ${mtu})`);
      expect(
        (await ping(stage.pods[0].name, podAddresses[6][1], { size: mtu - 47, df: true })).output,
      ).toContain(`Packet too big: mtu=${mtu}`);
      const { drops, sentDrops } = await statistics(0);
      expect(sentDrops).toBeGreaterThanOrEqual(2n);
      expect(drops['sent, too large']).toBe(sentDrops);
      for (const inner of versions)
        await run(stage.pods[0].name, 'ip', [`-${inner}`, 'route', 'flush', 'cache']);
      await expectTransfers(stage, 1_000_000);
      // The underlay shrinks under a tunnel that exists.
      for (const side of [0, 1] as const) stage.nodes[side].route.setLink('under', { mtu: 1400 });
      await run(stage.pods[0].name, 'ip', ['route', 'flush', 'cache']);
      expect((await ping(stage.pods[0].name, podAddresses[4][1], { size: 1380, df: true })).output).toContain(
        `Frag needed and DF set (mtu = ${mtu - 100})`,
      );
    });
  });

  it('write headers that others understand', ({ skip }) => {
    const all = dissect(written.map(({ frame }) => frame));
    if (!all) return skip('tshark is not installed');
    expect(all).toHaveLength(written.length);
    for (const [index, { name, type }] of written.entries()) {
      expect(all[index], name).toMatchObject({ identifier, expert: '', malformed: '' });
      expect(all[index]?.protocols, name).toMatch(dissected[type]!);
      expect(all[index]?.protocols, name).toMatch(/:ip:icmp:data$/);
    }
  });
});

/** Sends two datagrams to each of sixteen ports: as many flows. */
const datagrams = `
  const socket = require('node:dgram').createSocket('udp4');
  const data = Buffer.from('c0ffee55', 'hex');
  let left = 32;
  for (let n = 0; n < 32; n++)
    socket.send(data, 7000 + (n % 16), process.argv[1], () => --left || socket.close());
`;

/** TCP from the client to the endpoint, over both versions of IP. */
const expectTransfers = async ({ pods: [client, endpoint] }: Stage, bytes: number): Promise<void> => {
  const addresses = versions.map((inner) => podAddresses[inner][1]);
  expect(await transfer(client, endpoint, addresses, bytes)).toEqual(addresses);
};

/** Holds a UDP port. */
const listener = `
  const [port, type] = process.argv.slice(1);
  require('node:dgram').createSocket(type).bind(Number(port), () => console.log('listening'));
`;

const mac = (stage: Stage, side: 0 | 1): Buffer =>
  Buffer.from(stage.nodes[side].route.link('under')!.mac!.replaceAll(':', ''), 'hex');

const addressesIn = (frame: Buffer): string[] =>
  frame.readUInt16BE(12) === 0x0800
    ? [frame.subarray(26, 30).join('.'), frame.subarray(30, 34).join('.')]
    : [frame.subarray(22, 38), frame.subarray(38, 54)].map((bytes) =>
        bytes.toString('hex').replace(/^fd090*(.*)$/, 'fd09::$1'),
      );

const fields = [
  'frame.protocols',
  'vxlan.vni',
  'gre.key',
  'mpls.label',
  'mpls.bottom',
  '_ws.malformed',
  '_ws.expert.message',
];

/** What tshark makes of frames; undefined when it is not installed. */
const dissect = (frames: readonly Buffer[]) => {
  const folder = mkdtempSync(joinPath(tmpdir(), 'nsm-frames-'));
  try {
    const file = joinPath(folder, 'frames.pcap');
    writeFileSync(file, pcap(frames));
    // Nothing in a packet tells whether a control word follows the label: endpoints agree on it, and tshark would guess.
    const raw = ['-d', `mpls.label==${identifier},pwethnocw`];
    const args = ['-r', file, ...raw, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])];
    const lines = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return lines
      .trimEnd()
      .split('\n')
      .map((line) => {
        const [protocols = '', vni, key, label, bottom, malformed = '', message = ''] = line.split('\t');
        if (label) expect(Number(bottom)).toBe(1);
        // A lone request has no reply, and RFC 6935 allows the checksum 0 over IPv6: no faults of the headers.
        const expert = message.replace(
          /No response seen to ICMP request|Illegal checksum value \(0\)|,/g,
          '',
        );
        return { protocols, identifier: Number(vni || key || label), malformed, expert };
      });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
};
