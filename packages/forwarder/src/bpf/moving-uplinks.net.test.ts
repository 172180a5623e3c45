// Uplinks that move to another device, and addresses that several devices answer for: what that costs each kind of tunnel.
import { tunnelNames } from '@nsm/api';
import {
  leaks,
  PacketSocket,
  ping,
  requireRoot,
  run,
  type TestNamespace,
  tried,
  waitFor,
} from '@nsm/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  half,
  identifier,
  kinds,
  makeStage,
  missingKinds,
  type Stage,
  underlayAddresses,
  type Version,
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

  /** Joins the two pods by every kind. @returns the far address of each, by the kind's name. */
  const joinAll = async (version: Version): Promise<Map<string, string>> => {
    const targets = new Map<string, string>();
    for (const [n, kind] of kinds.entries()) {
      for (const side of [0, 1] as const) {
        const more = { id: `node-${side}:kind-${n}`, name: `nsm${n}`, identifier: identifier + n };
        const addresses = [`10.60.${n}.${side}/31`];
        await stage.threads[side].client.apply(
          half(stage, side, kind, version, 1400, { ...more, addresses }),
        );
      }
      targets.set(tunnelNames[kind] ?? '', `10.60.${n}.1`);
    }
    for (const target of targets.values())
      await waitFor(async () => (await ping(stage.pods[0].name, target, { deadline: 0.3 })).received === 1, {
        what: `an answer of ${target}`,
      });
    return targets;
  };

  // Each move over one of both versions, and each of both below half of the moves.
  const cases = tried(
    Object.entries(moves).flatMap(([what, move], n) =>
      ([4, 6] as const).map((version) => ({ what, move, n, version })),
    ),
    ({ n, version }) => version === (n % 2 === 0 ? 4 : 6),
  );
  describe.each(cases)('to $what', ({ move, version }) => {
    it(`no kind loses more than 100 ms over IPv${version}`, async () => {
      const { nodes, pods } = stage;
      const targets = await joinAll(version);
      using pod = new PacketSocket(pods[0].namespace, pods[0].route.link('nsm0')!.index, { incoming: true });
      const pinging = [...targets].map(async ([kind, target]) => {
        const { sent, received } = await ping(pods[0].name, target, {
          count: 80,
          interval: 0.01,
          deadline: 0.5,
        });
        return [kind, sent - received] as const;
      });
      let answers = 0;
      await pod.receive(() => ++answers === 20, 'twenty answers');
      move(nodes[0], 0);
      const losses = await Promise.all(pinging);
      expect(losses.filter(([, lost]) => lost > 10)).toEqual([]);
      expect(losses).toHaveLength(kinds.length);
    });
  });
});
