// GRE and VXLAN with Open vSwitch's userspace datapath at the other end.
import { TunnelType } from '@nsm/api';
import { EthtoolSocket } from '@nsm/netlink';
import { leaks, ping, requireRoot, tried } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { missingOpenVswitch, startOpenVswitch } from './open-vswitch.test.tool.js';
import { transfer } from './transfer.test.tool.js';
import {
  half,
  identifier,
  makeStage,
  missingKinds,
  podAddresses,
  underlayAddresses,
} from './tunnel.test.mesh.js';

afterAll(() => expect(leaks()).toEqual([]));

const { GRE, VXLAN } = TunnelType;
const rooted = requireRoot('Open vSwitch');
const missing = rooted ? ((await missingOpenVswitch()) ?? (await missingKinds()).get(GRE)) : undefined;
if (missing) process.stderr.write(`SKIPPED Open vSwitch: ${missing}\n`);

describe.skipIf(!rooted || missing !== undefined)('Open vSwitch', () => {
  const tunnels = [
    ['gre', 4, GRE, 1458],
    ['gre', 6, GRE, 1438],
    ['vxlan', 4, VXLAN, 1450],
    ['vxlan', 6, VXLAN, 1430],
  ] as const;
  // Each kind over one version, thoroughly over both.
  it.each(tried(tunnels, ([port, version]) => (port === 'gre') === (version === 6)))(
    'understands %s over IPv%i, and is understood',
    async (port, version, type, mtu) => {
      const stage = await makeStage();
      try {
        const [node, other] = stage.nodes;
        const [local, remote] = underlayAddresses[version];
        await using ovs = await startOpenVswitch(other);
        // Its own bridge has the underlay's address: in user space nothing else can send by the uplink.
        const under = other.route.link('under')!.index;
        for (const { address } of other.route.addresses({ index: under }))
          other.route.deleteAddress(under, { address });
        const bridge = (name: string): string[] => [
          ...['add-br', name, '--', 'set', 'bridge', name, 'datapath_type=netdev', 'fail_mode=standalone'],
        ];
        await ovs.configure(...bridge('phy'), '--', 'add-port', 'phy', 'under');
        const tunnel = [`type=${port}`, `options:remote_ip=${local}`, `options:key=${identifier}`];
        await ovs.configure(
          ...bridge('pod'),
          '--',
          ...['add-port', 'pod', 'tunnel', '--', 'set', 'interface', 'tunnel', ...tunnel],
        );
        const outside = other.route.link('phy')!.index;
        other.route.addAddress(outside, {
          address: `${remote}/${version === 4 ? 24 : 64}`,
          nodad: true,
        });
        other.route.setLink(outside, { up: true });
        const inside = other.route.link('pod')!.index;
        other.route.setLink(inside, { up: true, mtu });
        other.route.addAddress(inside, { address: `${podAddresses[4][1]}/31` });
        other.route.addAddress(inside, { address: `${podAddresses[6][1]}/127`, nodad: true });
        // What it takes from a device in user space must be complete: no checksum or segment left to hardware.
        using ethtool = EthtoolSocket.open(node.namespace);
        ethtool.setOffloads(node.route.link('under')!.index, {
          'tx-checksum': false,
          tso: false,
          gso: false,
        });

        await stage.threads[0].client.apply(half(stage, 0, type, version, mtu));
        const [client] = stage.pods;
        for (const inner of [4, 6] as const) {
          const full = mtu - (inner === 4 ? 28 : 48);
          expect(await ping(client.name, podAddresses[inner][1], { count: 2 })).toMatchObject({
            received: 2,
          });
          expect(await ping(client.name, podAddresses[inner][1], { size: full, df: true })).toMatchObject({
            received: 1,
          });
          expect(await ping(other.name, podAddresses[inner][0])).toMatchObject({ received: 1 });
        }
        const [own, others] = ([0, 1] as const).map((side) => [podAddresses[4][side], podAddresses[6][side]]);
        expect(await transfer(client, other, others!, 1_000_000)).toEqual(others);
        expect(await transfer(other, client, own!, 1_000_000)).toEqual(own);
      } finally {
        await stage.remove();
      }
    },
  );
});
