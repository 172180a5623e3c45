// HW and SRIOV connections between real processes: devices of a physical network in pods of one node and of two, and back.
// No adapters are needed: veth pairs stand in for them, and bridges in namespaces of their own for the switches.
import { isDeepStrictEqual } from 'node:util';
import { ipJson, leaks, ping, requireRoot, run, spawnIn, type TestNamespace, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectTraffic } from '../mesh/expect-traffic.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsm, nsmJson, nsmProgram } from '../mesh/nsm-command.js';
import { makeSwitch, makeSysfs, plug } from '../mesh/stand-ins.js';

interface Capability {
  readonly type: string;
  readonly works: boolean;
  readonly missing: string;
  readonly engine: string;
}

describe.skipIf(!requireRoot('hardware'))('hardware', () => {
  let mesh: Mesh;
  let networks: TestNamespace[];
  let client: Pod;
  let near: Pod;
  let far: Pod;
  let before: unknown;

  /** The devices of both nodes, and what is configured on them. */
  const devices = async (): Promise<unknown> =>
    await Promise.all(
      mesh.nodes.map(async ({ namespace: { name } }) =>
        (await ipJson(name, ['addr'])).map(({ ifname, mtu, address, ifalias, flags, addr_info: info }) => ({
          ifname,
          mtu,
          address,
          ifalias,
          up: (flags as string[]).includes('UP'),
          addresses: (info as { local: string; scope: string }[])
            .filter(({ scope }) => scope === 'global')
            .map(({ local }) => local),
        })),
      ),
    ).then((nodes) =>
      nodes.map((list) => list.toSorted((a, b) => String(a.ifname).localeCompare(String(b.ifname)))),
    );
  const connectAs = (id: string, service: string, ...flags: readonly string[]): Promise<Connected> =>
    nsmJson<Connected>(
      ...['connect', service, '--request-id', id, '--netns', client.name, '--run-dir', mesh.a.runDir],
      ...flags,
    );
  const connect = (service: string, ...flags: readonly string[]): Promise<Connected> =>
    connectAs('one', service, ...flags);
  const disconnect = (service: string): Promise<unknown> =>
    nsm(
      ...['disconnect', service, '--request-id', 'one', '--netns', client.name, '--run-dir', mesh.a.runDir],
    );

  beforeAll(async () => {
    networks = ['lab', 'island-a', 'island-b'].map(makeSwitch);
    const [lab, islandA, islandB] = networks as [TestNamespace, TestNamespace, TestNamespace];
    mesh = new Mesh({
      flags: ['--prefix', '10.60.0.0/16', '--prefix', 'fd00:60::/48'],
      flagsOf: ({ dir }) => [
        ...['--hw-pool', 'lab?name=hw*&driver=veth', '--hw-pool', 'island?name=is*'],
        ...(dir.endsWith('node-a') ? ['--hw-pool', 'alone?name=al*'] : []),
        ...['--sysfs', makeSysfs(dir, ['vf0', 'vf1']), '--sriov-pool', 'fast?pf=pf*&driver=ixgbe'],
      ],
    });
    for (const name of ['hw0', 'hw1']) plug(mesh.a, name, lab);
    plug(mesh.b, 'hw0', lab);
    plug(mesh.a, 'al0', lab);
    for (const name of ['pf0', 'vf0', 'vf1']) plug(mesh.a, name, lab);
    // One name, but no cable between the two.
    for (const name of ['is0', 'is1']) {
      plug(mesh.a, name, islandA);
      plug(mesh.b, name, islandB);
    }
    await mesh.joinNodes();
    await run(mesh.a.namespace.name, 'ip', ['addr', 'add', '10.5.0.1/24', 'dev', 'hw0']);
    await run(mesh.a.namespace.name, 'ip', ['link', 'set', 'hw0', 'up', 'mtu', '1400']);
    before = await devices();
    await mesh.startManagers();
    [client, near, far] = ['client', 'near', 'far'].map((label) => mesh.pod(label)) as [Pod, Pod, Pod];
    const flags = ['--interface', 'hw,sriov,kernel'];
    await mesh.endpoint(mesh.a, { pod: near, name: 'near', services: ['near'], flags });
    await mesh.endpoint(mesh.b, { pod: far, name: 'far', services: ['far'], flags });
    await mesh.a.knows('far/far');
  });
  afterEach(async () => {
    for (const node of mesh.nodes) {
      await node.revive();
      await node.closeAll();
    }
    expect(await devices()).toEqual(before);
  });
  afterAll(async () => {
    await mesh?.stop();
    for (const network of networks ?? []) network.remove();
    expect(leaks()).toEqual([]);
  });

  it('shows what can be given, and what is missing for the rest', async () => {
    const seen = await nsmJson<Capability[]>('get', 'interfaces', '--run-dir', mesh.a.runDir);
    expect(seen).toContainEqual({
      type: 'hw',
      works: true,
      missing: '',
      engine:
        'network devices of the node (lab: 2 free, 0 lent; island: 2 free, 0 lent; alone: 1 free, 0 lent)',
    });
    expect(seen.find(({ type }) => type === 'sriov')?.engine).toBe(
      'virtual functions (fast: 2 free, 0 lent)',
    );
    const { stdout } = await nsm('describe', 'manager', '--run-dir', mesh.a.runDir);
    expect(stdout).toMatch(/interface +hw +yes +network devices of the node/);
    expect(stdout).toMatch(/interface +sriov +yes +virtual functions/);
  });

  it('joins two pods of one node by their own devices', async () => {
    const connected = await connect('near', '--interface', 'hw?pool=lab&name=lab0');
    expect(connected).toMatchObject({ interfaceName: 'lab0', mtu: 1500 });
    await expectTraffic(client, near, connected);
    const [link] = await ipJson(client.name, ['link', 'show', 'lab0']);
    expect(link).toMatchObject({ ifalias: connected.id, address: connected.mac });
    expect(await devices()).not.toEqual(before);

    // Asked again, nothing moves; asked for something else, there is no other device, and nothing changes.
    expect(await connect('near', '--interface', 'hw?pool=lab&name=lab0')).toMatchObject({
      mac: connected.mac,
    });
    const other = nsm(
      ...['connect', 'near', '--request-id', 'two', '--netns', client.name, '--run-dir', mesh.a.runDir],
      ...['--interface', 'hw?pool=lab'],
    );
    expect((await other).stderr).toMatch(
      /hw: pool "lab" has no free device on this node: hw0 is lent to node-a:.*; hw1 is lent to node-a:/,
    );
    await disconnect('near');
    expect(await devices()).toEqual(before);
  });

  it('joins pods of two nodes without a tunnel, and a SIGKILL of both managers breaks nothing', async () => {
    const connected = await connect('far', '--interface', 'hw:first,kernel:second');
    await expectTraffic(client, far, connected);
    const [seen] = await nsmJson<{ interface: string; tunnel: unknown }[]>(
      ...['get', 'connections', '--run-dir', mesh.a.runDir],
    );
    expect(seen).toMatchObject({ interface: 'hw', tunnel: null });
    for (const node of mesh.nodes) await node.end('SIGKILL');
    expect(await ping(client.name, connected.peerAddresses[0]!)).toMatchObject({ received: 1 });
    for (const node of mesh.nodes) await node.start();
    await expectTraffic(client, far, connected);
    expect(await connect('far', '--interface', 'hw:first,kernel:second')).toMatchObject({
      mac: connected.mac,
    });
    await disconnect('far');
    expect(await devices()).toEqual(before);
  });

  it('joins two pods by virtual functions, each given once', async () => {
    const connected = await connect('near', '--interface', 'sriov?mac=02:00:00:00:aa:01&mtu=1400').catch(
      String,
    );
    // What stands in for the adapter has no virtual functions whose hardware address could be set.
    expect(connected).toMatch(/adapter pf0 does not take mac for virtual function 0/);
    const working = await connect('near', '--interface', 'sriov?mtu=1400');
    expect(working).toMatchObject({ mtu: 1400 });
    await expectTraffic(client, near, working);
    await disconnect('near');
    expect(await devices()).toEqual(before);
    await expect(connect('far', '--interface', 'sriov')).rejects.toThrow(
      /pool \\"fast\\" has no free device on this node/,
    );
  });

  it('takes the next interface where the wire leads nowhere, and says so where there is none', async () => {
    const island = 'hw:first?pool=island';
    const [other, none] = await Promise.all([
      connect('far', '--interface', `${island},kernel:second`),
      connectAs('two', 'far', '--interface', island).catch(String),
    ]);
    expect(other).toMatchObject({ mtu: 1450 });
    await disconnect('far');
    expect(none).toMatch(
      /nothing came back from the other pod within 6000 ms; are all devices of pool \\"island\\" in one physical network\?/,
    );
    await expect(connect('far', '--interface', 'hw?pool=alone')).rejects.toThrow(
      /no tunnel joins HW_INTERFACE, so both sides must be on physical network \\"alone\\", and this node has pool \\"lab\\", \\"island\\"/,
    );
    await expect(connect('near', '--interface', 'hw?pool=lab&device=eth7')).rejects.toThrow(
      /pool \\"lab\\" has no free device \\"eth7\\" on this node/,
    );
    await expect(connect('near', '--interface', 'hw?pool=lab&mac=01:00:00:00:00:01')).rejects.toThrow(
      /mac .* is no address of a device/,
    );
  });

  it('gives devices back that a killed manager had on their way', async () => {
    const interrupted = async (service: string, pool: string): Promise<void> => {
      await using _asking = await spawnIn(undefined, process.execPath, [
        ...[nsmProgram, 'connect', service, '--request-id', 'one', '--netns', client.name],
        ...['--run-dir', mesh.a.runDir, '--interface', `hw?pool=${pool}`],
      ]);
      await waitFor(async () => (await ipJson(client.name, ['link'])).length === 2, {
        timeout: 20_000,
        what: 'a device on its way to the pod',
      });
      await mesh.a.end('SIGKILL');
    };
    // Both nodes wait for an answer that does not come.
    await interrupted('far', 'island');
    await mesh.a.start();
    await waitFor(async () => isDeepStrictEqual(await devices(), before), { timeout: 20_000 });
  });
});
