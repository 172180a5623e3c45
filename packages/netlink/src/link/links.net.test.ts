// Links on the real kernel, with `ip` as the oracle.
import { leaks, makeNamespace, requireRoot, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NetlinkError } from '../libc/netlink-error.js';
import type { LinkSpec } from './link-spec.js';
import { codeOf, shown } from './links.net.test.support.js';
import { openTap } from './tap.js';

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('links'))('links', () => {
  let a: TestNamespace;
  let b: TestNamespace;
  beforeEach(() => {
    a = makeNamespace('a');
    b = makeNamespace('b');
  });
  afterEach(() => {
    a.remove();
    b.remove();
  });

  it('a veth pair is born in two namespaces at once, up, with everything it was given', async () => {
    a.route.addLink({
      kind: 'veth',
      name: 'nsm%d',
      index: 77,
      mac: '02:00:00:00:00:01',
      mtu: 1400,
      up: true,
      alias: 'connection one',
      group: 7,
      txQueueLength: 500,
      numTxQueues: 2,
      numRxQueues: 3,
      peer: {
        name: 'peer',
        namespace: b.namespace,
        index: 88,
        mac: '02:00:00:00:00:02',
        mtu: 1300,
        up: true,
        alias: 'the other end',
        group: 8,
      },
    });
    expect(await shown(a, 'nsm0')).toMatchObject({
      ifindex: 77,
      link_index: 88,
      mtu: 1400,
      operstate: 'UP',
      group: '7',
      txqlen: 500,
      address: '02:00:00:00:00:01',
      ifalias: 'connection one',
      num_tx_queues: 2,
      num_rx_queues: 3,
      linkinfo: { info_kind: 'veth' },
    });
    expect(await shown(b, 'peer')).toMatchObject({
      ifindex: 88,
      mtu: 1300,
      group: '8',
      address: '02:00:00:00:00:02',
      ifalias: 'the other end',
      flags: expect.arrayContaining(['UP', 'LOWER_UP']),
    });
    const link = a.route.link('nsm0')!;
    expect(link).toMatchObject({
      index: 77,
      kind: 'veth',
      mac: '02:00:00:00:00:01',
      mtu: 1400,
      up: true,
      lowerUp: true,
      operstate: 'up',
      alias: 'connection one',
      group: 7,
      linkIndex: 88,
      txQueueLength: 500,
      numTxQueues: 2,
      numRxQueues: 3,
    });
    // Its peer's namespace got an id when the link was first described.
    expect(link.linkNamespaceId).toBe(a.route.namespaceId(b.namespace));
    expect(a.route.link(77)).toMatchObject({ name: 'nsm0' });
  });

  it('createLink returns the link as it was made', () => {
    const link = a.route.createLink({
      kind: 'veth',
      name: 'nsm%d',
      up: true,
      alias: 'x',
      peer: { name: 'p%d' },
    });
    expect(link).toMatchObject({ name: 'nsm0', kind: 'veth', up: true, alias: 'x' });
    expect(a.route.link(link.index)).toMatchObject({ name: 'nsm0', alias: 'x' });
    expect(a.route.link(link.linkIndex!)).toMatchObject({ name: 'p0' });
    expect(() => a.route.createLink({ kind: 'bridge', name: 'x', namespace: b.namespace } as never)).toThrow(
      TypeError,
    );
  });

  it.each([
    ['10.0.0.1', '10.0.0.2'],
    ['fd00::1', 'fd00::2'],
  ])('a vxlan device is born in the pod, its socket in the node (%s)', async (local, remote) => {
    const v6 = local.includes(':');
    a.route.addLink({
      kind: 'vxlan',
      name: 'nsm0',
      namespace: b.namespace,
      mac: '02:00:00:00:00:03',
      mtu: 1450,
      up: true,
      alias: 'tunnel',
      id: 4711,
      local,
      remote,
      learning: false,
      ttl: 64,
      tos: 'inherit',
      df: 'set',
      udpChecksum: false,
      zeroChecksum6Tx: true,
      zeroChecksum6Rx: true,
    });
    expect(a.route.link('nsm0')).toBeUndefined();
    const link = await shown(b, 'nsm0');
    expect(link).toMatchObject({
      mtu: 1450,
      ifalias: 'tunnel',
      address: '02:00:00:00:00:03',
      linkinfo: {
        info_kind: 'vxlan',
        info_data: {
          id: 4711,
          [v6 ? 'local6' : 'local']: local,
          [v6 ? 'remote6' : 'remote']: remote,
          port: 4789,
          learning: false,
          ttl: 64,
          df: 'set',
          udp_zero_csum6_tx: true,
          udp_zero_csum6_rx: true,
        },
      },
    });
    expect(b.route.link('nsm0')?.data).toMatchObject({
      kind: 'vxlan',
      id: 4711,
      local,
      remote,
      port: 4789,
      learning: false,
      ttl: 64,
      tos: 'inherit',
      df: 'set',
      zeroChecksum6Tx: true,
      zeroChecksum6Rx: true,
    });
    // The tunnel's other end can be changed while it stands.
    const other = v6 ? 'fd00::3' : '10.0.0.3';
    b.route.setLink('nsm0', { vxlan: { remote: other } });
    expect(b.route.link('nsm0')?.data).toMatchObject({ id: 4711, remote: other });
  });

  it('a vxlan device can be made from the pod with the node named by its id', () => {
    const id = b.route.setNamespaceId(a.namespace);
    b.route.addLink({ kind: 'vxlan', name: 'nsm0', linkNamespaceId: id, id: 1, local: '10.0.0.1' });
    expect(b.route.link('nsm0')).toMatchObject({ kind: 'vxlan', linkNamespaceId: id });
    // Same key in the same node: the socket is shared, so the kernel must notice.
    expect(codeOf(() => a.route.addLink({ kind: 'vxlan', name: 'again', id: 1, local: '10.0.0.1' }))).toBe(
      'EEXIST',
    );
  });

  it('a batch of vxlan devices in many namespaces goes with one lower device', () => {
    const pods = Array.from({ length: 4 }, (_, n) => makeNamespace(`pod${n}`));
    pods.forEach((pod, n) => {
      for (let k = 0; k < 3; k++)
        a.route.addLink({
          kind: 'vxlan',
          name: `x${k}`,
          namespace: pod.namespace,
          up: true,
          id: n * 10 + k,
          local: '10.0.0.1',
          remote: '10.0.0.2',
        });
    });
    const lower = a.route.createLink({ kind: 'bridge', name: 'lower' });
    for (const pod of pods)
      for (const link of pod.route.links({ kind: 'vxlan' }))
        pod.route.setLink(link.index, { vxlan: { link: lower.index } });
    a.route.deleteLink(lower.index);
    expect(pods.flatMap((pod) => pod.route.links({ kind: 'vxlan' }))).toEqual([]);
    for (const pod of pods) pod.remove();
  });

  it('bridge, with a port', async () => {
    const bridge = a.route.createLink({
      kind: 'bridge',
      name: 'br0',
      stp: true,
      ageing: 30,
      forwardDelay: 4,
      up: true,
    });
    expect(await shown(a, 'br0')).toMatchObject({
      linkinfo: { info_kind: 'bridge', info_data: { stp_state: 1, ageing_time: 3000, forward_delay: 400 } },
    });
    expect(bridge.data).toMatchObject({ kind: 'bridge', stp: true, ageing: 30, forwardDelay: 4 });
    a.route.addLink({ kind: 'veth', name: 'port', master: bridge.index, peer: { name: 'p' } });
    expect(a.route.links({ master: bridge.index }).map(({ name }) => name)).toEqual(['port']);
    a.route.setLink('br0', { bridge: { ageing: 60, stp: false } });
    expect(a.route.link('br0')?.data).toMatchObject({ ageing: 60, stp: false });
    a.route.setLink('port', { master: 0 });
    expect(a.route.link('port')?.master).toBeUndefined();
    a.route.setLink('port', { master: bridge.index });
    expect((await shown(a, 'port')).master).toBe('br0');
  });

  it('macvlan born in another namespace', async () => {
    const lower = a.route.createLink({
      kind: 'veth',
      name: 'lower',
      up: true,
      peer: { name: 'p', up: true },
    });
    a.route.addLink({
      kind: 'macvlan',
      name: 'mac0',
      link: lower.index,
      mode: 'private',
      namespace: b.namespace,
    });
    expect(await shown(b, 'mac0')).toMatchObject({
      linkinfo: { info_kind: 'macvlan', info_data: { mode: 'private' } },
    });
    expect(b.route.link('mac0')?.data).toEqual({ kind: 'macvlan', mode: 'private' });
  });

  it.each<LinkSpec>([
    { kind: 'dummy', name: 'plain0' },
    { kind: 'ifb', name: 'plain0' },
    { kind: 'vlan', name: 'plain0', link: 0, id: 42 },
    { kind: 'tun', name: 'plain0' },
    { kind: 'tap', name: 'plain0', mtu: 1400, up: true },
    { kind: 'bridge', name: 'plain0', vlanFiltering: true },
  ])('$kind, where the kernel has it', async (spec) => {
    const wanted =
      spec.kind === 'vlan'
        ? { ...spec, link: a.route.createLink({ kind: 'bridge', name: 'lower' }).index }
        : spec;
    try {
      a.route.addLink(wanted);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code !== 'EOPNOTSUPP') throw error;
      process.stderr.write(`SKIPPED ${spec.kind}: ${error.message}\n`);
      return;
    }
    const kind = spec.kind === 'tap' ? 'tun' : spec.kind;
    expect(await shown(a, 'plain0')).toMatchObject({ linkinfo: { info_kind: kind } });
    expect(a.route.link('plain0')).toMatchObject({ kind, mtu: spec.mtu ?? 1500, up: spec.up ?? false });
  });

  it('an open tap lives as long as its descriptor', async () => {
    const tap = openTap({ kind: 'tap', name: 'tap%d', namespace: b.namespace });
    expect(tap.name).toBe('tap0');
    expect(await shown(b, 'tap0')).toMatchObject({ linkinfo: { info_data: { type: 'tap', pi: false } } });
    tap.close();
    tap.close();
    expect(b.route.link('tap0')).toBeUndefined();
  });
});
