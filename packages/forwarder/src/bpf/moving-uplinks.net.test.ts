// Uplinks that move to another device, and addresses that several devices answer for: what that costs each kind of tunnel.
import { TunnelType, tunnelNames } from '@nsm/api';
import { leaks, PacketSocket, ping, requireRoot, run, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  join,
  kinds,
  makeStage,
  missingKinds,
  podAddresses,
  type Stage,
  underlayAddresses,
} from '../tunnels/tunnel.test.mesh.js';

afterAll(() => expect(leaks()).toEqual([]));

const rooted = requireRoot('moving uplinks');
const [missing = ''] = rooted ? (await missingKinds()).values() : [];
if (missing) process.stderr.write(`SKIPPED moving uplinks: ${missing}\n`);

const addressesOf = (n: number): string[] => [
  `${underlayAddresses[4][n]}/24`,
  `${underlayAddresses[6][n]}/64`,
];

/** Takes the addresses from the uplink and gives them to another device, as a tool that sets up networks does. */
const moveAddresses = ({ route }: TestNamespace, n: number, from: number, to: number): void => {
  for (const address of addressesOf(n)) {
    route.deleteAddress(from, { address });
    route.addAddress(to, { address, nodad: true });
  }
};

/** Every kind, over one version of IP; what has no IP of its own, over both. */
const cases = [
  ...kinds.map((kind, n) => [tunnelNames[kind], n % 2 === 0 ? 4 : 6, kind] as const),
  [tunnelNames[TunnelType.MPLSoEthernet], 4, TunnelType.MPLSoEthernet] as const,
];

/** Each makes the new device of a node and gives it the addresses of its uplink. */
const moves: Readonly<Record<string, (node: TestNamespace, n: number) => void>> = {
  'a bridge': (node, n) => {
    const under = node.route.link('under')!.index;
    node.route.addLink({ kind: 'bridge', name: 'new', up: true });
    const bridge = node.route.link('new')!.index;
    node.route.setLink(under, { master: bridge });
    moveAddresses(node, n, under, bridge);
  },
  'a bridge with an address of its own': (node, n) => {
    const under = node.route.link('under')!.index;
    node.route.addLink({ kind: 'bridge', name: 'new', up: true, mac: '02:00:00:00:99:01' });
    const bridge = node.route.link('new')!.index;
    node.route.setLink(under, { master: bridge });
    moveAddresses(node, n, under, bridge);
  },
  'a macvlan': (node, n) => {
    const under = node.route.link('under')!.index;
    node.route.addLink({ kind: 'macvlan', name: 'new', link: under, mode: 'bridge', up: true });
    moveAddresses(node, n, under, node.route.link('new')!.index);
  },
  'a macvlan with the same address': (node, n) => {
    const under = node.route.link('under')!.index;
    node.route.addLink({ kind: 'macvlan', name: 'new', link: under, mode: 'passthru', up: true });
    moveAddresses(node, n, under, node.route.link('new')!.index);
  },
};

describe.skipIf(!rooted || missing !== '')('moving uplinks', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await makeStage();
    for (const { name } of stage.nodes)
      await run(name, 'sysctl', ['-q', 'net.ipv6.conf.default.accept_dad=0']);
  });
  afterEach(async () => await stage.remove());

  describe.each(Object.entries(moves))('to %s', (_what, move) => {
    it.each(cases)('%s over IPv%i loses no more than 100 ms', async (_name, version, kind) => {
      const { nodes, pods } = stage;
      await join(stage, kind, version);
      await ping(pods[0].name, podAddresses[4][1]);
      using pod = new PacketSocket(pods[0].namespace, pods[0].route.link('nsm0')!.index, { incoming: true });
      const pinging = ping(pods[0].name, podAddresses[4][1], { count: 80, interval: 0.01, deadline: 0.5 });
      let answers = 0;
      await pod.receive(() => ++answers === 20, 'twenty answers');
      move(nodes[0], 0);
      const { sent, received } = await pinging;
      expect(sent - received).toBeLessThanOrEqual(10);
    });
  });
});
