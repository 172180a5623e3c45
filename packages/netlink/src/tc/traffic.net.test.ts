// Traffic control, offload switches and counters on the real kernel, with `tc` and `ethtool` as oracles.
import { ipJson, leaks, makeNamespace, ping, requireRoot, run, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadProgram } from '../bpf/small-program.test.support.js';
import * as libc from '../libc/libc.js';
import { NetlinkError } from '../libc/netlink-error.js';
import { EthtoolSocket } from '../link/ethtool.js';

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('traffic'))('traffic', () => {
  let a: TestNamespace;
  let b: TestNamespace;
  let index: number;
  beforeEach(() => {
    a = makeNamespace('a');
    b = makeNamespace('b');
    a.route.addLink({
      kind: 'veth',
      name: 'v',
      up: true,
      peer: { name: 'p', namespace: b.namespace, up: true },
    });
    index = a.route.link('v')!.index;
    const peer = b.route.link('p')!.index;
    a.route.addAddress(index, { address: '10.0.0.1/24' });
    b.route.addAddress(peer, { address: '10.0.0.2/24' });
    a.route.addAddress(index, { address: 'fd00::1/64', nodad: true });
    b.route.addAddress(peer, { address: 'fd00::2/64', nodad: true });
  });
  afterEach(() => {
    a.remove();
    b.remove();
  });

  // Runs what the kernel may lack; prints its own reason.
  const attempt = (fn: () => void): boolean => {
    try {
      fn();
      return true;
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code !== 'ENOENT') throw error;
      process.stderr.write(`SKIPPED: ${error.message}\n`);
      return false;
    }
  };

  it('packets pass, of both families, and are counted', async () => {
    const before = a.route.link(index)!.statistics!;
    for (const address of ['10.0.0.2', 'fd00::2'])
      expect(await ping(a.name, address, { count: 5, size: 1000 })).toMatchObject({ sent: 5, received: 5 });
    const after = a.route.link(index)!.statistics!;
    expect(after.txBytes - before.txBytes).toBeGreaterThan(10_000);
    expect(after.rxPackets - before.rxPackets).toBeGreaterThanOrEqual(10);
    const [oracle] = await ipJson(a.name, ['link', 'show', 'dev', 'v']);
    const { stats64 } = oracle as { stats64: { rx: { packets: number } } };
    expect(stats64.rx.packets).toBeGreaterThanOrEqual(after.rxPackets);
    expect(await ping(a.name, '10.0.0.2', { size: 1473, df: true })).toMatchObject({ received: 0 });
  });

  it('qdiscs and classes', async () => {
    a.route.addQdisc({ kind: 'clsact', device: index });
    expect(() => a.route.addQdisc({ kind: 'clsact', device: index })).toThrow('EEXIST');
    a.route.addQdisc({
      kind: 'tbf',
      device: index,
      handle: '1:',
      rate: 125_000,
      burst: 10_000,
      limit: 50_000,
    });
    expect(await ipJson(a.name, ['qdisc', 'show', 'dev', 'v'], 'tc')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          kind: 'tbf',
          handle: '1:',
          options: expect.objectContaining({ rate: 125_000, burst: '10000b/1' }),
        }),
        expect.objectContaining({ kind: 'clsact' }),
      ]),
    );
    expect(a.route.qdiscs({ device: index })).toEqual(
      expect.arrayContaining([
        { kind: 'tbf', device: index, handle: '1:', parent: 'root' },
        { kind: 'clsact', device: index, handle: 'ffff:', parent: 'clsact' },
      ]),
    );
    a.route.deleteQdisc(index);
    a.route.addQdisc({ kind: 'htb', device: index, handle: '1:', defaultClass: 0x10 });
    a.route.addClass({
      device: index,
      parent: '1:',
      handle: '1:10',
      rate: 1e6,
      ceil: 5e9,
      burst: 15_000,
      priority: 3,
    });
    expect(await run(a.name, 'tc', ['class', 'show', 'dev', 'v'])).toMatch(
      /class htb 1:10 root prio 3 rate 8Mbit ceil 40Gbit burst 15000b/,
    );
    expect(await ping(a.name, '10.0.0.2')).toMatchObject({ received: 1 });
    a.route.addClass({ device: index, parent: '1:', handle: '1:10', rate: 2e6 }, { replace: true });
    expect(await run(a.name, 'tc', ['class', 'show', 'dev', 'v'])).toMatch(/rate 16Mbit ceil 16Mbit/);
    a.route.deleteQdisc(index);
    a.route.deleteQdisc(index, 'clsact');
    expect(a.route.qdiscs({ device: index })).toMatchObject([{ kind: 'noqueue' }]);
    a.route.addQdisc({ kind: 'raw', name: 'pfifo', device: index });
    attempt(() =>
      a.route.addQdisc({ kind: 'fq_codel', device: index, limit: 100, ecn: true }, { replace: true }),
    );
  });

  it.each(['matchall', 'u32'] as const)('%s filters redirect packets', async (kind) => {
    a.route.addLink({ kind: 'ifb', name: 'ifb-test', up: true });
    const target = a.route.link('ifb-test')!.index;
    a.route.addQdisc({ kind: 'clsact', device: index });
    const add = (): void =>
      a.route.addFilter({
        kind,
        device: index,
        parent: 'egress',
        priority: 5,
        actions: [{ kind: 'mirror', device: target }],
      });
    if (!attempt(add)) return;
    expect(a.route.filters({ device: index, parent: 'egress' })).toMatchObject([
      { kind, device: index, parent: 'egress', priority: 5, protocol: 3 },
    ]);
    expect(await run(a.name, 'tc', ['filter', 'show', 'dev', 'v', 'egress'])).toContain(
      'Egress Mirror to device ifb-test',
    );
    await ping(a.name, '10.0.0.2', { count: 3 });
    expect(a.route.link(target)!.statistics!.rxPackets).toBeGreaterThanOrEqual(3);
    a.route.deleteFilter({ device: index, parent: 'egress', priority: 5 });
    expect(a.route.filters({ device: index, parent: 'egress' })).toEqual([]);
    expect(() => a.route.deleteFilter({ device: index, parent: 'egress', priority: 5 })).toThrow('ENOENT');
  });

  it('eBPF programs decide over packets', async () => {
    const drop = loadProgram(2);
    if (drop < 0) {
      process.stderr.write(`SKIPPED: bpf(2): ${libc.errorText(-drop)}\n`);
      return;
    }
    a.route.addQdisc({ kind: 'clsact', device: index });
    const filter = {
      kind: 'bpf',
      device: index,
      parent: 'ingress',
      priority: 3,
      programFd: drop,
      name: 'drop-all',
    } as const;
    a.route.addFilter(filter);
    expect(() => a.route.addFilter(filter)).toThrow('EEXIST');
    libc.close(drop);
    expect(a.route.filters({ device: index, parent: 'ingress' })).toMatchObject([
      {
        kind: 'bpf',
        parent: 'ingress',
        priority: 3,
        handle: 1,
        bpf: { name: 'drop-all', id: expect.any(Number), directAction: true },
      },
    ]);
    expect(await run(a.name, 'tc', ['filter', 'show', 'dev', 'v', 'ingress'])).toMatch(
      /bpf .*drop-all direct-action/,
    );
    expect(await ping(a.name, '10.0.0.2', { deadline: 1 })).toMatchObject({ received: 0 });
    const pass = loadProgram(0);
    a.route.addFilter({ ...filter, programFd: pass, name: 'pass-all' }, { replace: true });
    libc.close(pass);
    expect(a.route.filters({ device: index, parent: 'ingress' })).toMatchObject([
      { bpf: { name: 'pass-all' } },
    ]);
    expect(await ping(a.name, '10.0.0.2')).toMatchObject({ received: 1 });
    a.route.deleteFilter({ device: index, parent: 'ingress', priority: 3, handle: 1, kind: 'bpf' });
    expect(a.route.filters({ device: index, parent: 'ingress' })).toEqual([]);
  });

  it('refuses what is no eBPF program', () => {
    a.route.addQdisc({ kind: 'clsact', device: index });
    const add = (): void =>
      a.route.addFilter({ kind: 'bpf', device: index, parent: 'ingress', programFd: 0, name: 'none' });
    expect(add).toThrow(/EINVAL|EBADF/);
  });

  it('offload switches', async () => {
    using ethtool = EthtoolSocket.open(a.namespace);
    expect(ethtool.offloads(index)).toMatchObject({ tso: true, gso: true, 'tx-checksum': true });
    ethtool.setOffloads(index, { tso: false, gso: false, 'tx-checksum': false, gro: true });
    expect(ethtool.offloads(index)).toMatchObject({
      tso: false,
      gso: false,
      'tx-checksum': false,
      gro: true,
    });
    const shown = await run(a.name, 'ethtool', ['-k', 'v']);
    expect(shown).toMatch(/^tcp-segmentation-offload: off$/m);
    expect(shown).toMatch(/^generic-segmentation-offload: off$/m);
    expect(shown).toMatch(/^tx-checksumming: off$/m);
    expect(shown).toMatch(/^generic-receive-offload: on$/m);
    for (const [name, feature] of ethtool.features(index)) {
      const line = new RegExp(`^\\s*${name}: (on|off)( \\[fixed\\])?`, 'm').exec(shown);
      // ethtool(8) prints some groups by other names.
      if (line === null) continue;
      expect([name, feature.active]).toEqual([name, line[1] === 'on']);
      expect([name, feature.changeable]).toEqual([name, line[2] === undefined]);
    }
    expect(() => ethtool.setFeatures(index, { nonsense: true })).toThrow('EOPNOTSUPP');
    expect(() => ethtool.setFeatures(index, { 'rx-vlan-filter': true })).toThrow('fixed: rx-vlan-filter');
    expect(() => ethtool.features(4711)).toThrow('ENODEV');
  });

  it('packets pass through a tunnel whose ends live in pods and whose sockets live in nodes', async () => {
    const pods = [makeNamespace('pod-a'), makeNamespace('pod-b')] as const;
    for (const [v6, id] of [
      [false, 100],
      [true, 101],
    ] as const) {
      [a, b].forEach((node, n) => {
        const name = `nsm${id}`;
        node.route.addLink({
          kind: 'vxlan',
          name,
          namespace: pods[n]!.namespace,
          mtu: v6 ? 1430 : 1450,
          up: true,
          id,
          local: v6 ? `fd00::${n + 1}` : `10.0.0.${n + 1}`,
          remote: v6 ? `fd00::${2 - n}` : `10.0.0.${2 - n}`,
          learning: false,
          zeroChecksum6Tx: true,
          zeroChecksum6Rx: true,
        });
        const { route } = pods[n]!;
        route.addAddress(route.link(name)!.index, { address: `172.16.${id}.${n + 1}/24` });
      });
      expect(await ping(pods[0].name, `172.16.${id}.2`, { count: 3, size: 1400, df: true })).toMatchObject({
        received: 3,
      });
    }
    for (const pod of pods) pod.remove();
  });
});
