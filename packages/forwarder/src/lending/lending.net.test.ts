// Devices of the node in pods: given and taken back whole, whoever dies in between, and never what the node needs.
import { fileURLToPath } from 'node:url';
import { toJsonString } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType } from '@nsm/api';
import { openNamespace, RouteSocket } from '@nsm/netlink';
import { ipJson, leaks, makeNamespace, ping, requireRoot, run, spawnIn, tried, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { Stage } from './lending.test.stage.js';

const { signal } = new AbortController();
const removal = (...crossConnects: fw.CrossConnect[]): fw.RemoveRequest => ({
  $typeName: 'nsmforwarder.RemoveRequest',
  crossConnects,
});
const listing = (idPrefix: string): fw.ListRequest => ({ $typeName: 'nsmforwarder.ListRequest', idPrefix });

/** A device that somebody uses: with addresses of all sorts, routes, an alias. */
const useDevice = async (stage: Stage, name: string): Promise<void> => {
  const ip = (...args: string[]): Promise<string> => run(stage.node.name, 'ip', args);
  await ip('link', 'set', name, 'up', 'mtu', '1550', 'alias', 'somebody’s own');
  await ip('addr', 'add', '10.5.0.2/24', 'brd', '+', 'dev', name, 'label', `${name}:1`);
  await ip('addr', 'add', '10.5.0.3/24', 'dev', name);
  await ip('addr', 'add', '10.6.0.1', 'peer', '10.6.0.2/32', 'dev', name, 'scope', 'link');
  await ip('addr', 'add', 'fd05::2/64', 'dev', name, 'nodad');
  await ip('route', 'add', '10.77.0.0/16', 'via', '10.5.0.9', 'dev', name, 'metric', '50', 'src', '10.5.0.3');
  await ip('route', 'add', '10.78.0.0/16', 'dev', name, 'proto', 'dhcp', 'mtu', '1400');
  await ip('route', 'add', '10.79.0.0/16', 'via', '10.5.0.9', 'dev', name, 'table', '100');
  await ip('-6', 'route', 'add', 'fd77::/32', 'via', 'fd05::9', 'dev', name);
};

describe.skipIf(!requireRoot('lending'))('a device of the node', () => {
  afterAll(() => expect(leaks()).toEqual([]));

  it('is in the pod while a connection lasts, and then back as it was', async () => {
    await using stage = new Stage(['hw0', 'hw1']);
    await useDevice(stage, 'hw0');
    const before = await stage.devices();
    const forwarder = await stage.forwarder();
    const { client, endpoint } = await forwarder.apply(stage.local('node:1'), { signal });
    expect(await ping(stage.client.name, '10.60.0.0')).toMatchObject({ received: 1 });
    const [link] = await ipJson(stage.client.name, ['addr', 'show', 'nsm0']);
    expect(link).toMatchObject({ mtu: 1500, ifalias: 'node:1', address: client?.mac });
    expect((link!.addr_info as object[]).length).toBe(1);
    expect(before).toMatchObject({ hw0: { address: client?.mac }, hw1: { address: endpoint?.mac } });
    expect(Object.keys(await stage.devices())).toEqual(['routes']);
    expect(stage.records()).toHaveLength(2);

    // Applied again nothing changes; what was changed by hand is mended.
    stage.client.route.setLink('nsm0', { mtu: 1300 });
    await forwarder.apply(stage.local('node:1'), { signal });
    expect(stage.client.route.link('nsm0')).toMatchObject({ mtu: 1500, mac: client?.mac });

    await forwarder.remove(removal(stage.local('node:1')));
    expect(await stage.devices()).toEqual(before);
    expect(stage.records()).toEqual([]);
    expect((await ipJson(stage.client.name, ['link'])).length).toBe(1);
    await forwarder.remove(removal(stage.local('node:1')));
  });

  it('speaks IPv6 in a pod that has it switched off, and is back with the setting it had', async () => {
    await using stage = new Stage(['hw0', 'hw1']);
    const setting = (name: string, device: string, value?: string): Promise<string> =>
      run(name, 'sysctl', [
        ...(value === undefined ? ['-n'] : ['-qw']),
        `net.ipv6.conf.${device}.disable_ipv6${value === undefined ? '' : `=${value}`}`,
      ]);
    for (const [n, value] of [
      ['hw0', '1'],
      ['hw1', '0'],
    ] as const)
      await setting(stage.node.name, n, value);
    // What comes back to the node must not take over its default either.
    await setting(stage.node.name, 'default', '1');
    for (const pod of [stage.client, stage.endpoint])
      for (const which of ['all', 'default']) await setting(pod.name, which, '1');
    const forwarder = await stage.forwarder();
    const wanted = stage.local('node:1');
    Object.assign(wanted.client!, { addresses: ['fd60::1/127'], peerAddresses: ['fd60::'] });
    Object.assign(wanted.endpoint!, { addresses: ['fd60::/127'], peerAddresses: ['fd60::1'] });
    await forwarder.apply(wanted, { signal });
    expect(await ping(stage.client.name, 'fd60::')).toMatchObject({ received: 1 });
    expect((await setting(stage.client.name, 'default')).trim()).toBe('1');
    await forwarder.remove(removal(wanted));
    expect((await setting(stage.node.name, 'hw0')).trim()).toBe('1');
    expect((await setting(stage.node.name, 'hw1')).trim()).toBe('0');
  });

  it('can be named, and given another hardware address; the endpoint gets any', async () => {
    await using stage = new Stage(['hw0', 'hw1', 'hw2']);
    const before = await stage.devices();
    const forwarder = await stage.forwarder();
    const parameters = { device: 'hw2', mac: '02:AA:00:00:00:01', pool: 'lab' };
    await forwarder.apply(stage.local('node:1', parameters), { signal });
    expect(Object.keys(await stage.devices())).toEqual(['routes', 'hw1']);
    expect(stage.client.route.link('nsm0')?.mac).toBe('02:aa:00:00:00:01');
    expect(await ping(stage.client.name, '10.60.0.0')).toMatchObject({ received: 1 });
    await forwarder.remove(removal(stage.local('node:1')));
    expect(await stage.devices()).toEqual(before);
  });

  it('is found by driver, and is not given away where the node needs it', async () => {
    await using stage = new Stage(['hw0', 'hw1', 'hw2', 'hw3', 'hw4', 'hw5']);
    const { route, name } = stage.node;
    for (const device of ['hw0', 'hw1', 'hw2', 'hw3']) route.setLink(device, { up: true });
    await run(name, 'ip', ['addr', 'add', '10.5.0.2/24', 'dev', 'hw0']);
    await run(name, 'ip', ['route', 'add', 'default', 'via', '10.5.0.1']);
    route.addLink({ kind: 'bridge', name: 'br', up: true });
    route.setLink('hw1', { master: route.link('br')!.index });
    route.addLink({ kind: 'macvlan', name: 'mv', link: route.link('hw2')!.index });
    await run(name, 'ip', ['addr', 'add', '10.9.0.2/24', 'dev', 'hw3']);
    route.addLink({ kind: 'tap', name: 'hw-tap' });
    const forwarder = await stage.forwarder({
      ...stage.options,
      hwPools: [{ name: 'lab', match: { name: 'hw*', driver: 'v*' } }],
      underlay: ['10.9.0.2'],
    });
    const { interfaces } = await forwarder.getCapabilities();
    expect(interfaces.find(({ type }) => type === InterfaceType.HW_INTERFACE)).toMatchObject({
      missing: '',
      pools: ['lab'],
      engine: 'network devices of the node (lab: 2 free, 0 lent)',
    });
    await forwarder.apply(stage.local('node:1'), { signal });
    await expect(forwarder.apply(stage.local('node:2'), { signal })).rejects.toMatchObject({
      kind: 'dataplane',
      message:
        'HW_INTERFACE: pool "lab" has no free device on this node: hw4 is lent to node:1; hw5 is lent to node:1; ' +
        'hw0 carries a default route of the node; hw1 belongs to br; hw2 carries mv; ' +
        "hw3 carries 10.9.0.2, the node's end of tunnels",
    });
    // What stands on something is as dear as that.
    await run(name, 'ip', ['route', 'replace', 'default', 'dev', 'br']);
    await expect(forwarder.apply(stage.local('node:2', { device: 'hw1' }), { signal })).rejects.toMatchObject(
      {
        message: expect.stringContaining('hw1 br stands on it, which carries a default route of the node'),
      },
    );
    await expect(forwarder.apply(stage.local('node:2', { pool: 'other' }), { signal })).rejects.toMatchObject(
      { message: expect.stringContaining('none fits the pool') },
    );
  });

  it('comes back when the other side never answers, or a step fails', async () => {
    await using stage = new Stage(['hw0']);
    stage.plug('hw1', false);
    const before = await stage.devices();
    const forwarder = await stage.forwarder();
    const silent = { ...stage.local('node:1'), answerWithinMs: 200 };
    await expect(forwarder.apply(silent, { signal })).rejects.toMatchObject({
      kind: 'no-packets',
      message: expect.stringContaining('are all devices of pool "lab" in one physical network?'),
    });
    const wrong = stage.local('node:1');
    wrong.client!.name = 'lo';
    await expect(forwarder.apply(wrong, { signal })).rejects.toMatchObject({
      message: expect.stringContaining('an interface named "lo" exists already'),
    });
    const unroutable = stage.local('node:1');
    unroutable.endpoint!.addresses.push('10.60.0.0/31');
    await expect(forwarder.apply(unroutable, { signal })).rejects.toMatchObject({ kind: 'dataplane' });
    expect(await stage.devices()).toEqual(before);
    expect(stage.records()).toEqual([]);
  });

  const crash = async (stage: Stage, step: string, count: number, action: string): Promise<void> => {
    await using killed = await spawnIn(undefined, process.execPath, [
      fileURLToPath(new URL('./lending.test.crash.js', import.meta.url)),
      ...[stage.node.name, step, String(count), JSON.stringify(stage.options)],
      ...[toJsonString(fw.CrossConnectSchema, stage.local('node:1')), action],
    ]);
    expect(await killed.exited, killed.output()).toBe('SIGKILL');
  };
  const crashes: [string, number, string][] = [
    ['record', 1, 'apply'],
    ['move', 1, 'apply'],
    ['record', 2, 'apply'],
    ['move', 2, 'apply'],
    ['return', 1, 'remove'],
    ['restore', 1, 'remove'],
    ['forget', 1, 'remove'],
    ['restore', 2, 'remove'],
    ['forget', 2, 'remove'],
  ];
  // Each kind of step once.
  const quick = ['move 1', 'record 2', 'return 1', 'restore 2', 'forget 1'];
  const tries = tried(crashes, ([step, count]) => quick.includes(`${step} ${count}`));
  it.each(tries)('survives a forwarder killed before %s number %i of %s', async (step, count, action) => {
    await using stage = new Stage(['hw0', 'hw1']);
    await useDevice(stage, 'hw0');
    const before = await stage.devices();
    await crash(stage, step, count, action);

    // Where the connection is known, it is made whole …
    const again = await stage.forwarder();
    await again.apply(stage.local('node:1'), { signal });
    expect(await ping(stage.client.name, '10.60.0.0')).toMatchObject({ received: 1 });
    await again.remove(removal(stage.local('node:1')));
    expect(await stage.devices()).toEqual(before);

    // … and where it is not, everything found under its id is given back.
    await crash(stage, step, count, action);
    const other = await stage.forwarder();
    const { interfaces } = await other.list(listing('node:'));
    for (const { id } of interfaces) await other.remove(removal({ ...stage.local(id) }));
    expect(await stage.devices()).toEqual(before);
    expect(stage.records()).toEqual([]);
  });

  it('made of software ends with its pod; nothing of it is left', async () => {
    await using stage = new Stage(['hw0', 'hw1']);
    const forwarder = await stage.forwarder();
    using pod = makeNamespace('dying');
    const wanted = stage.local('node:1');
    wanted.client!.namespace!.inode = pod.namespace.inode;
    wanted.client!.namespace!.path = `/run/netns/${pod.name}`;
    await forwarder.apply(wanted, { signal });
    pod.remove();
    await waitFor(async () => (await ipJson(stage.switch.name, ['link'])).length === 3);
    await forwarder.remove(removal(wanted));
    expect(Object.keys(await stage.devices())).toEqual(['routes', 'hw1']);
    expect(stage.records()).toEqual([]);
  });

  it.each([
    ['hardware address', { mac: '02:de:ad:be:ef:00' }],
    ['alias', { alias: 'mine' }],
  ])('whose %s the pod changed is itself all the same', async (_what, change) => {
    await using stage = new Stage(['hw0', 'hw1']);
    const before = await stage.devices();
    const forwarder = await stage.forwarder();
    const wanted = stage.local('node:1');
    await forwarder.apply(wanted, { signal });
    stage.client.route.setLink('nsm0', change);
    await forwarder.apply(wanted, { signal });
    expect(await ping(stage.client.name, '10.60.0.0')).toMatchObject({ received: 1 });
    stage.client.route.setLink('nsm0', change);
    await forwarder.remove(removal(wanted));
    expect(await stage.devices()).toEqual(before);
  });

  it('that the kernel brought back under another name gets its own again', async () => {
    await using stage = new Stage(['hw0', 'hw1']);
    await useDevice(stage, 'hw0');
    const before = await stage.devices();
    const forwarder = await stage.forwarder();
    const wanted = stage.local('node:1');
    await forwarder.apply(wanted, { signal });
    // As default_device_exit_net (net/core/dev.c) does with hardware, whose pod has gone: the alias stays.
    using home = openNamespace(stage.node.name);
    const { index } = stage.client.route.link('nsm0')!;
    stage.client.route.setLink(index, { namespace: home, name: 'dev7' });
    await forwarder.remove(removal(wanted));
    expect(await stage.devices()).toEqual(before);
  });

  it('whose name was taken meanwhile comes back under one like it', async () => {
    await using stage = new Stage(['hw0', 'hw1']);
    const forwarder = await stage.forwarder();
    await forwarder.apply(stage.local('node:1'), { signal });
    using other = RouteSocket.open(stage.node.namespace);
    other.addLink({ kind: 'tap', name: 'hw0' });
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    await forwarder.remove(removal(stage.local('node:1')));
    expect(Object.keys(await stage.devices()).toSorted()).toEqual(['hw0', 'hw0_0', 'hw1', 'routes']);
    expect((await warned).message).toMatch(/hw0 came back from node:1 without its name, .* hw0_0/);
  });
});
