// A pod that has IPv6 switched off speaks it through a connection all the same, and through nothing else.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType, TunnelType } from '@nsm/api';
import { leaks, ping, requireRoot, run, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { half, join, type Stage, shareStage, startIn } from '../tunnels/tunnel.test.mesh.js';

async function setting({ name }: TestNamespace, device: string): Promise<string> {
  return (await run(name, 'sysctl', ['-n', `net.ipv6.conf.${device}.disable_ipv6`])).trim();
}

/** As many container runtimes and operators do. */
async function switchOff({ name, route }: TestNamespace): Promise<void> {
  route.addLink({ kind: 'veth', name: 'eth0', up: true, peer: { name: 'eth1', up: true } });
  for (const which of ['all', 'default'])
    await run(name, 'sysctl', ['-qw', `net.ipv6.conf.${which}.disable_ipv6=1`]);
}

const local = ({ pods }: Stage, type: InterfaceType = InterfaceType.KERNEL_INTERFACE): fw.CrossConnect => {
  const port = (side: 0 | 1, name: string) => ({
    type: InterfaceType.KERNEL_INTERFACE,
    namespace: { inode: pods[side].namespace.inode, path: `/run/netns/${pods[side].name}` },
    name,
    mac: `02:00:00:00:00:0${side + 1}`,
    mtu: 1500,
    addresses: [`10.60.0.${1 - side}/31`, `fd60::${1 - side}/127`],
    peerAddresses: [`10.60.0.${side}`],
  });
  return create(fw.CrossConnectSchema, {
    id: 'node-a:00000001-0000000000000001',
    client: port(0, 'nsm0'),
    endpoint: { ...port(1, 'nse0'), type },
  });
};

afterAll(() => expect(leaks()).toEqual([]));

describe.skipIf(!requireRoot('IPv6'))('a pod without IPv6', () => {
  const shared = shareStage([{}, {}]);
  let stage: Stage;
  beforeEach(async () => {
    stage = shared.stage;
    for (const pod of stage.pods) await switchOff(pod);
  });
  afterEach(() => stage.threads[0].client.remove({ crossConnects: [local(stage)] }));

  /** IPv6 through the connection, and nowhere else in the client's pod. */
  async function expectOnlyThere(): Promise<void> {
    const [client, endpoint] = stage.pods;
    expect(await ping(client.name, 'fd60::')).toMatchObject({ received: 1 });
    expect(await ping(endpoint.name, 'fd60::1')).toMatchObject({ received: 1 });
    expect(await setting(client, 'nsm0')).toBe('0');
    for (const other of ['all', 'default', 'lo', 'eth0'])
      expect(await setting(client, other), other).toBe('1');
    expect(client.route.addresses({ family: 'ipv6' }).map(({ address }) => address)).toEqual(
      expect.arrayContaining(['fd60::1/127', 'fe80::ff:fe00:1/64']),
    );
    expect(client.route.addresses({ family: 'ipv6' })).toHaveLength(2);
  }

  it('has it through a veth pair, also when somebody switches it off again', async () => {
    const { client: forwarder } = stage.threads[0];
    expect((await forwarder.apply(local(stage))).mended).toEqual([
      'interface of nsm0 (client)',
      'interface of nse0 (endpoint)',
    ]);
    await expectOnlyThere();
    await run(stage.pods[0].name, 'sysctl', ['-qw', 'net.ipv6.conf.nsm0.disable_ipv6=1']);
    const { mended } = await forwarder.apply(local(stage));
    expect(mended).toEqual(['IPv6 of nsm0 (client)', 'address fd60::1/127 of nsm0 (client)']);
    await expectOnlyThere();
    expect((await forwarder.apply(local(stage))).mended).toEqual([]);
  });

  it.each([
    ['a vxlan device of the kernel', TunnelType.VXLAN],
    ['a tunnel of eBPF', TunnelType.GRE],
  ])('has it through %s', async (_, type) => {
    await join(stage, type, 4);
    await expectOnlyThere();
  });

  it('has it when its connection gets an IPv6 address later', async () => {
    const { client: forwarder } = stage.threads[0];
    const wanted = local(stage);
    const both = [wanted.client, wanted.endpoint].map((port) => port!.addresses);
    for (const port of [wanted.client, wanted.endpoint]) port!.addresses = port!.addresses.slice(0, 1);
    await forwarder.apply(wanted);
    expect(await setting(stage.pods[0], 'nsm0')).toBe('1');
    [wanted.client!.addresses, wanted.endpoint!.addresses] = both as [string[], string[]];
    await forwarder.apply(wanted);
    await expectOnlyThere();
  });

  it('is left as it is where the connection has none', async () => {
    const four = half(stage, 0, TunnelType.VXLAN, 4, 1400, { addresses: ['10.60.0.1/31'] });
    await stage.threads[0].client.apply(four);
    expect(await setting(stage.pods[0], 'nsm0')).toBe('1');
    expect(stage.pods[0].route.addresses({ family: 'ipv6' })).toEqual([]);
  });

  it('has it on the TAP device of shared memory', async () => {
    const runDir = mkdtempSync(path(tmpdir(), 'nsm-ipv6-'));
    const thread = await startIn(stage.nodes[0], { runDir });
    try {
      const { MEM_INTERFACE: type } = InterfaceType;
      const wanted = local(stage, type);
      const { endpoint = '' } = await thread.client.placeSockets({
        id: wanted.id,
        endpoint: { type, uid: 0 },
      });
      wanted.endpoint!.parameters.socket = endpoint;
      await thread.client.apply(wanted);
      expect(await setting(stage.pods[0], 'nsm0')).toBe('0');
      expect(stage.pods[0].route.addresses({ family: 'ipv6' }).map(({ address }) => address)).toContain(
        'fd60::1/127',
      );
      await thread.client.remove({ crossConnects: [wanted] });
    } finally {
      await thread.stop();
      rmSync(runDir, { recursive: true });
    }
  });
});
