// Addresses, routes, neighbours, forwarding entries and rules on the real kernel, with `ip` and `bridge` as oracles.
import { ipJson, leaks, makeNamespace, requireRoot, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('addressing'))('addressing', () => {
  let a: TestNamespace;
  let index: number;
  let peer: number;
  beforeEach(() => {
    a = makeNamespace('a');
    const link = a.route.createLink({ kind: 'veth', name: 'v', up: true, peer: { name: 'p', up: true } });
    index = link.index;
    peer = link.linkIndex!;
  });
  afterEach(() => a.remove());

  const addressesOf = async (): Promise<Record<string, unknown>[]> => {
    const [link] = await ipJson(a.name, ['addr', 'show', 'dev', 'v']);
    return (link!.addr_info as Record<string, unknown>[]).filter(({ scope }) => scope !== 'link');
  };

  it('addresses of both families', async () => {
    a.route.addAddress(index, {
      address: '10.0.0.1/31',
      label: 'v:nsm',
      broadcast: '255.255.255.255',
      metric: 50,
    });
    a.route.addAddress(index, { address: '10.9.0.1/32', peer: '10.9.0.2/32', noPrefixRoute: true });
    a.route.addAddress(index, {
      address: 'fd00::1/127',
      nodad: true,
      validLifetime: 1000,
      preferredLifetime: 500,
    });
    expect(await addressesOf()).toMatchObject([
      { local: '10.0.0.1', prefixlen: 31, label: 'v:nsm', broadcast: '255.255.255.255', metric: 50 },
      { local: '10.9.0.1', address: '10.9.0.2', prefixlen: 32, noprefixroute: true },
      { local: 'fd00::1', prefixlen: 127, nodad: true, preferred_life_time: 500 },
    ]);
    const found = a.route.addresses({ index }).filter(({ scope }) => scope === 'global');
    expect(found).toMatchObject([
      { address: '10.0.0.1/31', label: 'v:nsm', broadcast: '255.255.255.255', peer: undefined },
      { address: '10.9.0.1/32', peer: '10.9.0.2' },
      { address: 'fd00::1/127', nodad: true, tentative: false },
    ]);
    expect(a.route.addresses({ family: 'ipv6', index: peer }).every(({ family }) => family === 'ipv6')).toBe(
      true,
    );
    expect(() => a.route.addAddress(index, { address: '10.0.0.1/31' })).toThrow('EEXIST');
    a.route.addAddress(index, { address: '10.0.0.1/31' }, { replace: true });
    // What the kernel told is enough to delete it.
    for (const address of found) a.route.deleteAddress(index, address);
    expect(await addressesOf()).toEqual([]);
    expect(() => a.route.deleteAddress(index, { address: '10.0.0.1/31' })).toThrow('EADDRNOTAVAIL');
  });

  it('routes of both families', async () => {
    a.route.addAddress(index, { address: '10.0.0.1/24' });
    a.route.addAddress(index, { address: 'fd00::1/64', nodad: true });
    a.route.addRoute({
      destination: '10.1.0.0/16',
      gateway: '10.0.0.2',
      source: '10.0.0.1',
      metric: 5,
      mtu: 1300,
    });
    a.route.addRoute({ destination: '10.2.0.0/16', device: index });
    a.route.addRoute({ destination: 'default', gateway: '192.0.2.1', device: index, onlink: true });
    a.route.addRoute({ destination: '10.3.0.0/16', type: 'blackhole', table: 1000 });
    a.route.addRoute({ destination: '10.4.0.0/16', gateway: 'fd00::9', device: index });
    a.route.addRoute({ destination: 'fd01::/16', gateway: 'fd00::2', mtu: 1400 });
    a.route.addRoute({ destination: 'default', family: 'ipv6', device: index });
    a.route.addRoute({
      destination: '10.5.0.0/16',
      multipath: [
        { gateway: '10.0.0.2', weight: 2 },
        { gateway: '10.0.0.3', device: index },
      ],
    });
    const v4 = await ipJson(a.name, ['route', 'show', 'table', 'all', 'proto', 'static']);
    expect(v4).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          dst: '10.1.0.0/16',
          gateway: '10.0.0.2',
          prefsrc: '10.0.0.1',
          metric: 5,
          metrics: [{ mtu: 1300 }],
        }),
        expect.objectContaining({ dst: '10.2.0.0/16', dev: 'v', scope: 'link' }),
        expect.objectContaining({ dst: 'default', gateway: '192.0.2.1', flags: ['onlink'] }),
        expect.objectContaining({ type: 'blackhole', dst: '10.3.0.0/16', table: '1000' }),
        expect.objectContaining({ dst: '10.4.0.0/16', via: { family: 'inet6', host: 'fd00::9' } }),
        expect.objectContaining({
          dst: '10.5.0.0/16',
          nexthops: expect.arrayContaining([expect.objectContaining({ weight: 2 })]),
        }),
      ]),
    );
    const v6 = await ipJson(a.name, ['-6', 'route', 'show', 'proto', 'static']);
    expect(v6).toMatchObject([
      { dst: 'fd01::/16', gateway: 'fd00::2' },
      { dst: 'default', dev: 'v' },
    ]);

    const found = a.route.routes({ table: 'all', protocol: 'static' });
    expect(found).toHaveLength(8);
    expect(a.route.routes({ protocol: 'static', table: 1000 })).toMatchObject([
      { destination: '10.3.0.0/16', type: 'blackhole', table: 1000 },
    ]);
    expect(a.route.routes({ device: peer, family: 'ipv4' })).toEqual([]);
    expect(
      a.route.routes({ device: index, family: 'ipv4', table: 'main' }).map(({ destination }) => destination),
    ).toContain('10.5.0.0/16');
    expect(found.find(({ destination }) => destination === '10.5.0.0/16')?.multipath).toEqual([
      { gateway: '10.0.0.2', device: index, weight: 2, onlink: false },
      { gateway: '10.0.0.3', device: index, weight: 1, onlink: false },
    ]);
    expect(() => a.route.addRoute({ destination: '10.2.0.0/16', device: index })).toThrow('EEXIST');
    a.route.addRoute({ destination: '10.2.0.0/16', device: index, mtu: 1200 }, 'replace');
    expect(a.route.routes().find(({ destination }) => destination === '10.2.0.0/16')?.mtu).toBe(1200);
    // What the kernel told is enough to delete it.
    for (const route of a.route.routes({ table: 'all', protocol: 'static' })) a.route.deleteRoute(route);
    expect(a.route.routes({ table: 'all', protocol: 'static' })).toEqual([]);
    expect(() => a.route.deleteRoute({ destination: '10.2.0.0/16' })).toThrow('ESRCH');
  });

  it('tells how a packet would go', async () => {
    a.route.addAddress(index, { address: '10.0.0.1/24' });
    a.route.addAddress(index, { address: 'fd00::1/64', nodad: true });
    a.route.addRoute({ destination: '10.1.0.0/16', gateway: '10.0.0.2', mtu: 1300 });
    a.route.addRoute({ destination: 'fd01::/16', gateway: 'fd00::2' });
    expect(a.route.routeTo('10.1.2.3')).toMatchObject({
      type: 'unicast',
      device: index,
      source: '10.0.0.1',
      gateway: '10.0.0.2',
      mtu: 1300,
      match: { destination: '10.1.0.0/16' },
    });
    expect(a.route.routeTo('10.0.0.9')).toMatchObject({
      gateway: undefined,
      source: '10.0.0.1',
      mtu: 1500,
      table: 'main',
    });
    expect(a.route.routeTo('fd01::5')).toMatchObject({
      device: index,
      gateway: 'fd00::2',
      source: 'fd00::1',
      mtu: 1500,
      match: { destination: 'fd01::/16' },
    });
    expect(a.route.routeTo('10.0.0.1')).toMatchObject({ type: 'local', source: '10.0.0.1' });
    expect(() => a.route.routeTo('192.0.2.1')).toThrow('ENETUNREACH');
    const [oracle] = await ipJson(a.name, ['route', 'get', '10.1.2.3']);
    expect(oracle).toMatchObject({ gateway: '10.0.0.2', dev: 'v', prefsrc: '10.0.0.1' });
  });

  it('neighbours', async () => {
    a.route.addNeighbour({ address: '10.0.0.2', device: index, mac: '02:00:00:00:00:02' });
    a.route.addNeighbour({
      address: 'fd00::2',
      device: index,
      mac: '02:00:00:00:00:03',
      state: 'stale',
      flags: ['externallyLearned'],
    });
    a.route.addNeighbour({ address: '10.0.0.9', device: index, flags: ['proxy'] });
    expect(await ipJson(a.name, ['neigh', 'show', 'dev', 'v', 'nud', 'all'])).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ dst: '10.0.0.2', lladdr: '02:00:00:00:00:02', state: ['PERMANENT'] }),
        expect.objectContaining({ dst: 'fd00::2', lladdr: '02:00:00:00:00:03', extern_learn: null }),
      ]),
    );
    expect(a.route.neighbours({ device: index, family: 'ipv4' })).toMatchObject([
      { address: '10.0.0.2', mac: '02:00:00:00:00:02', state: 'permanent', family: 'ipv4' },
    ]);
    expect(a.route.neighbour('fd00::2', index)).toMatchObject({
      state: 'stale',
      flags: ['externallyLearned'],
    });
    expect(a.route.neighbour('10.0.0.77', index)).toBeUndefined();
    expect(a.route.neighbours({ proxy: true })).toMatchObject([{ address: '10.0.0.9', flags: ['proxy'] }]);
    expect(() =>
      a.route.addNeighbour({ address: '10.0.0.2', device: index, mac: '02:00:00:00:00:09' }),
    ).toThrow('EEXIST');
    a.route.addNeighbour({ address: '10.0.0.2', device: index, mac: '02:00:00:00:00:09' }, { replace: true });
    expect(a.route.neighbour('10.0.0.2', index)?.mac).toBe('02:00:00:00:00:09');
    a.route.deleteNeighbour({ address: '10.0.0.2', device: index });
    a.route.deleteNeighbour({ address: '10.0.0.9', device: index, flags: ['proxy'] });
    expect(a.route.neighbours({ proxy: true })).toEqual([]);
    expect(() => a.route.deleteNeighbour({ address: '10.0.0.2', device: index })).toThrow('ENOENT');
    // The kernel is made to look for it.
    a.route.addNeighbour({ address: '10.0.0.3', device: index, flags: ['managed'] });
    expect(a.route.neighbour('10.0.0.3', index)?.flags).toEqual(['managed']);
    a.route.addNeighbour({ address: '10.0.0.4', device: index, flags: ['use'] });
    expect(a.route.neighbour('10.0.0.4', index)?.state).toMatch(/incomplete|failed/);
  });

  it('forwarding entries of a bridge and of a vxlan device', async () => {
    const bridge = a.route.createLink({ kind: 'bridge', name: 'br0', up: true });
    a.route.setLink(index, { master: bridge.index });
    a.route.addForwardingEntry({
      mac: '02:00:00:00:00:11',
      device: index,
      flags: ['master'],
      state: 'noarp',
    });
    const tunnel = a.route.createLink({
      kind: 'vxlan',
      name: 'x',
      id: 1,
      local: '10.0.0.1',
      learning: false,
    });
    a.route.addForwardingEntry({ mac: '00:00:00:00:00:00', device: tunnel.index, destination: '10.0.0.2' });
    a.route.addForwardingEntry(
      { mac: '00:00:00:00:00:00', device: tunnel.index, destination: '10.0.0.3', port: 8472, vni: 7 },
      'append',
    );
    expect(await ipJson(a.name, ['fdb', 'show', 'dev', 'x'], 'bridge')).toMatchObject([
      { mac: '00:00:00:00:00:00', dst: '10.0.0.2', state: 'permanent' },
      { mac: '00:00:00:00:00:00', dst: '10.0.0.3', port: 8472, vni: 7 },
    ]);
    expect(a.route.forwardingEntries({ device: tunnel.index })).toMatchObject([
      { address: '10.0.0.2', mac: '00:00:00:00:00:00', family: 'bridge' },
      { address: '10.0.0.3', port: 8472, vni: 7 },
    ]);
    expect(a.route.forwardingEntries({ device: index })).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ mac: '02:00:00:00:00:11', master: bridge.index, state: 'noarp' }),
      ]),
    );
    a.route.deleteForwardingEntry({ mac: '02:00:00:00:00:11', device: index, flags: ['master'] });
    a.route.deleteForwardingEntry({
      mac: '00:00:00:00:00:00',
      device: tunnel.index,
      destination: '10.0.0.2',
    });
    expect(a.route.forwardingEntries({ device: tunnel.index })).toHaveLength(1);
  });

  it('rules of both families', async () => {
    a.route.addRule({
      priority: 100,
      from: '10.1.0.0/16',
      table: 1000,
      mark: 5,
      markMask: 0xff,
      suppressPrefixLength: 0,
    });
    a.route.addRule({ priority: 101, to: 'fd00::/16', action: 'blackhole', invert: true });
    a.route.addRule({ priority: 102, inputDevice: 'lo', outputDevice: 'v', table: 'local' });
    a.route.addRule({ priority: 99, action: 'goto', goto: 102 });
    expect(await ipJson(a.name, ['rule', 'show'])).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          priority: 100,
          src: '10.1.0.0',
          srclen: 16,
          table: '1000',
          fwmark: '0x5',
          fwmask: '0xff',
          suppress_prefixlen: 0,
        }),
        expect.objectContaining({ priority: 102, iif: 'lo', oif: 'v', table: 'local' }),
        expect.objectContaining({ priority: 99, goto: 102 }),
      ]),
    );
    expect(a.route.rules({ family: 'ipv6' })).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ priority: 101, to: 'fd00::/16', action: 'blackhole', invert: true }),
      ]),
    );
    const ours = a.route.rules().filter(({ priority }) => priority >= 99 && priority <= 102);
    expect(ours).toHaveLength(4);
    expect(() =>
      a.route.addRule({ priority: 102, inputDevice: 'lo', outputDevice: 'v', table: 'local' }),
    ).toThrow('EEXIST');
    for (const rule of ours) a.route.deleteRule({ ...rule, protocol: undefined });
    expect(a.route.rules().filter(({ priority }) => priority >= 99 && priority <= 102)).toEqual([]);
    expect(() => a.route.deleteRule({ priority: 100 })).toThrow('ENOENT');
  });
});
