// What an operator sees of one connection: its packets in a file, how long they take, and where they get lost; on both nodes.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ping, type Running, requireRoot, run, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsm, nsmJson, nsmProgram, spawnNsm } from '../mesh/nsm-command.js';
import { readPcapng } from '../mesh/pcapng-file.js';

/** What nftables calls the packets of each kind. */
const kinds = [
  ['VXLAN', 'udp dport 4789'],
  ['GRE', 'ip protocol gre'],
  ['MPLSoUDP', 'udp dport 6635'],
] as const;

interface PingRound {
  readonly path: string;
  readonly through: { readonly method: string; readonly answered: boolean };
  readonly underlay: { readonly method: string; readonly answered: boolean };
}

interface Measured {
  readonly tcpSentBits: number;
  readonly tcpReceivedBits: number;
  readonly udp: { readonly receivedBits: number };
}

interface Trace {
  readonly lastRequest: { readonly steps: readonly { readonly name: string; readonly manager: string }[] };
  readonly packets: readonly {
    readonly size: number;
    readonly answered: boolean;
    readonly lost: string;
    readonly hops: readonly { readonly place: string; readonly manager: string; readonly answer: boolean }[];
  }[];
  readonly reasons: readonly string[];
}

const everywhere = ['client node-a', 'node node-a', 'underlay node-a', 'underlay node-b', 'endpoint node-b'];

describe.skipIf(!requireRoot('looking at connections'))('a connection that is looked at', () => {
  let mesh: Mesh;
  let [client, endpoint]: Pod[] = [];
  const connections = new Map<string, Connected>();
  const at = (): readonly string[] => ['--run-dir', mesh.a.runDir];

  beforeAll(async () => {
    const tunnels = kinds.map(([kind]) => `${kind.toLowerCase()}=${kind}`).join(',');
    mesh = await Mesh.start({ switched: { nodes: 2 }, flags: ['--tunnel', tunnels] });
    [client, endpoint] = ['client', 'endpoint'].map((label) => mesh.pod(label));
    const services = kinds.map(([kind]) => kind.toLowerCase());
    await mesh.endpoint(mesh.b, { pod: endpoint!, name: 'far', services });
    await mesh.a.knows(...services.map((service) => `${service}/far`));
    await Promise.all(
      kinds.map(async ([kind]) => {
        const flags = ['--request-id', kind, '--netns', client!.name, ...at()];
        connections.set(kind, await nsmJson<Connected>('connect', kind.toLowerCase(), ...flags));
      }),
    );
  });
  afterAll(async () => expect(await mesh?.finish()).toEqual([]));

  const peerOf = (kind: string): string => connections.get(kind)!.peerAddresses[0]!;
  const idOf = (kind: string): string => connections.get(kind)!.id;
  const fileOf = (kind: string): string => join(mesh.dir, `${kind}.pcapng`);
  const capture = (kind: string, ...flags: string[]): Promise<Running> =>
    spawnNsm(undefined, 'client on node-a', ['capture', idOf(kind), ...at(), ...flags]);

  describe.each(kinds)('over %s', (kind, frames) => {
    it('has its packets captured at every device that they pass', async () => {
      const file = fileOf(kind);
      const capturing = await capture(kind, '--at', 'all', '--filter', 'icmp', '--count', '20', '-w', file);
      // Each way they pass five devices at least.
      await ping(client!.name, peerOf(kind), { count: 3 });
      expect(await capturing.exited).toBe(0);
      const { interfaces, packets } = readPcapng(readFileSync(file));
      expect(interfaces.map(({ name }) => name.split(' ').slice(0, 2).join(' '))).toEqual(
        expect.arrayContaining(everywhere),
      );
      expect(interfaces.every(({ comment }) => comment.includes(idOf(kind)))).toBe(true);
      // The manager may try a packet of full size at the same time.
      const first = packets
        .filter(({ length }) => length < 300)
        .slice(0, 5)
        .map(({ interface: index }) => interfaces[index]?.name.split(' ').slice(0, 2).join(' '));
      expect(first).toEqual(everywhere);
      const times = packets.map(({ time }) => time);
      expect(times).toEqual(times.toSorted((a, b) => Number(a - b)));
    });

    it('is pinged from either end, and beside the tunnel', async () => {
      for (const node of mesh.nodes) {
        const { stdout } = await nsm('ping', kind, '-c', '1', '--json', '--run-dir', node.runDir);
        const [round] = stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as PingRound);
        expect(round).toMatchObject({
          path: expect.stringContaining(kind),
          through: { method: 'ICMP', answered: true },
          underlay: { method: 'ICMP', answered: true },
        });
      }
    });

    it('is pinged by the largest packet that fits, and by no larger one', async () => {
      const sized = (size: number) => nsm('ping', kind, '-c', '1', '-s', String(size), ...at());
      const { stderr } = await sized(65_535);
      const [, mtu] = /a packet through this connection has 52 to (\d+) bytes/.exec(stderr) ?? [];
      expect((await sized(Number(mtu))).stdout).toMatch(new RegExp(` ms \\(ICMP, ${mtu} bytes\\)`));
    });

    it('shows its steps, and its packets device by device', async () => {
      const { lastRequest, packets } = await nsmJson<Trace>('trace', kind, ...at());
      expect(new Set(lastRequest.steps.map(({ manager }) => manager))).toEqual(new Set(['node-a', 'node-b']));
      expect(packets).toHaveLength(2);
      for (const { answered, hops } of packets) {
        expect(answered).toBe(true);
        const there = hops.filter(({ answer }) => !answer).map(({ place, manager }) => `${place} ${manager}`);
        expect(there.filter((place) => place !== 'node node-b')).toEqual(everywhere);
      }
    });

    it('shows that the network drops its tunnel', async () => {
      await mesh.switch.drop(frames);
      try {
        const { status, stdout } = await nsm('trace', kind, '--json', ...at());
        expect(status).toBe(1);
        const { packets, reasons } = JSON.parse(stdout) as Trace;
        expect(packets.map(({ lost }) => lost)).toEqual(
          packets.map(() =>
            expect.stringMatching(/seen at the underlay on node-a .* not at the underlay on node-b/),
          ),
        );
        expect(reasons[0]).toMatch(new RegExp(`does not pass ${kind}.* ICMP between the nodes passes`));
      } finally {
        await mesh.switch.heal();
      }
    });
  });

  it('has the packets of its tunnel decoded by tshark', async ({ skip }) => {
    if (spawnSync('tshark', ['--version']).error) skip('tshark is not installed');
    const { tunnels } = await nsmJson<{ tunnels: { type: string; identifier: number }[] }>(
      ...(['get', 'tunnels', ...at()] as const),
    );
    const labels = tunnels.flatMap(({ type, identifier }) =>
      type.startsWith('MPLS') ? ['-d', `mpls.label==${identifier},pwethnocw`] : [],
    );
    // A file may have several sections.
    const file = join(mesh.dir, 'all.pcapng');
    writeFileSync(file, Buffer.concat(kinds.map(([kind]) => readFileSync(fileOf(kind)))));
    const shown = ['-T', 'fields', '-e', 'frame.interface_name', '-e', 'ip.addr'];
    const lines = await run(undefined, 'tshark', ['-r', file, '-Y', 'icmp', ...shown, ...labels]);
    for (const [kind] of kinds) {
      const places = lines
        .split('\n')
        .filter((line) => line.split(/[\t,]/).includes(peerOf(kind)))
        .map((line) => line.split(' ').slice(0, 2).join(' '));
      expect([...new Set(places)], kind).toEqual(expect.arrayContaining(everywhere));
    }
  });

  it('is measured by sockets in both pods, once at a time', async () => {
    const bench = (duration: string) =>
      nsm('bench', 'VXLAN', '--json', '--duration', duration, '--run-dir', mesh.b.runDir);
    const all = await Promise.all([bench('150ms'), bench('150ms')]);
    const [measured, refused] = all.toSorted((a, b) => a.status - b.status);
    expect(JSON.parse(measured!.stdout)).toMatchObject({ from: 'endpoint', echoes: { lost: 0 } });
    const { tcpSentBits, tcpReceivedBits, udp } = JSON.parse(measured!.stdout) as Measured;
    expect(Math.min(tcpSentBits, tcpReceivedBits, udp.receivedBits)).toBeGreaterThan(1e6);
    expect(refused!.stderr).toMatch(/another measurement is under way/);
    // Nothing of it is left in the pods.
    expect(await run(client!.name, 'ss', ['-Hltun'])).toBe('');
    expect(await bench('50ms')).toMatchObject({ status: 0 });
  });

  it('shows that large packets do not fit', async () => {
    const setMtu = (mtu: string) => mesh.switch.setMtu('node-b', mtu);
    await setMtu('1400');
    try {
      const { packets, reasons } = JSON.parse((await nsm('trace', 'GRE', '--json', ...at())).stdout) as Trace;
      expect(packets.map(({ size, answered }) => [size, answered])).toEqual([
        [84, true],
        [1458, false],
      ]);
      expect(reasons[0]).toMatch(/packets of 84 bytes pass and larger ones do not/);
    } finally {
      await setMtu('1500');
    }
  });

  it('shows that the endpoint gets a packet and does not answer', async () => {
    const { name } = endpoint!;
    await run(name, 'nft', [
      'add table ip t\nadd chain ip t c { type filter hook input priority 0; }\nadd rule ip t c icmp type echo-request drop',
    ]);
    try {
      const { packets, reasons } = JSON.parse(
        (await nsm('trace', 'VXLAN', '--json', ...at())).stdout,
      ) as Trace;
      expect(packets[0]?.lost).toMatch(
        /seen at the endpoint on node-b \(in\), and not at the endpoint on node-b \(out\)/,
      );
      expect(reasons[0]).toMatch(/got it, and did not answer/);
      // Which is no reason to say that the connection is broken.
      const { stdout } = await nsm('ping', 'VXLAN', '-c', '1', '--json', '--timeout', '200ms', ...at());
      expect(JSON.parse(stdout.split('\n')[0]!)).toMatchObject({
        through: { method: 'ARP', answered: true },
      });
    } finally {
      await run(name, 'nft', ['flush ruleset']);
    }
  });

  it('is captured no longer when the reader goes, when it is interrupted, and when the connection ends', async () => {
    const shell = `"$0" "$1" capture VXLAN -w - --run-dir "$2" | head -c 8 >/dev/null; echo "\${PIPESTATUS[0]}"`;
    expect(await run(undefined, 'bash', ['-c', shell, process.execPath, nsmProgram, mesh.a.runDir])).toBe(
      '0\n',
    );
    const file = join(mesh.dir, 'interrupted.pcapng');
    const interrupted = await capture('VXLAN', '-w', file);
    await ping(client!.name, peerOf('VXLAN'));
    await waitFor(() => readPcapng(readFileSync(file)).packets.length >= 2, { what: 'packets in the file' });
    interrupted.child.kill('SIGINT');
    expect(await interrupted.exited).toBe(0);
    expect(readPcapng(readFileSync(file)).statistics).toBe(1);
    const ending = await capture('GRE', '-w', join(mesh.dir, 'ending.pcapng'));
    for (const kind of kinds.map(([name]) => name)) await nsm('disconnect', '--id', idOf(kind), ...at());
    expect(await ending.exited).toBe(0);
    expect(ending.output()).toMatch(/the connection has ended/);
    expect(await mesh.remains()).toEqual([]);
  });
});
