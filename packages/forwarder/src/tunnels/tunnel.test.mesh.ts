// Two nodes with a pod each, and what can be joined between them: the stage of the tunnel tests.
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, InterfaceType, TunnelType } from '@nsm/api';
import { makeNamespace, type TestNamespace } from '@nsm/testkit';
import { afterAll, afterEach, beforeEach } from 'vitest';
import { type ForwarderThread, type NodeForwarderOptions, startForwarderThread } from '../index.js';

export type Version = 4 | 6;
export const underlayAddresses = { 4: ['10.9.0.1', '10.9.0.2'], 6: ['fd09::1', 'fd09::2'] } as const;
export const podAddresses = { 4: ['10.60.0.1', '10.60.0.0'], 6: ['fd60::1', 'fd60::'] } as const;
export const identifier = 4242;

/** All kinds of the specification. */
export const kinds: readonly TunnelType[] = [
  TunnelType.VXLAN,
  TunnelType.VXLAN_GRE,
  TunnelType.GRE,
  TunnelType.MPLSoUDP,
  TunnelType.MPLSoGRE,
  TunnelType.MPLSoEthernet,
];

export const ports: Readonly<Record<number, number>> = {
  [TunnelType.VXLAN]: 4789,
  [TunnelType.VXLAN_GRE]: 4790,
  [TunnelType.MPLSoUDP]: 6635,
};

export interface Stage {
  readonly nodes: readonly [TestNamespace, TestNamespace];
  readonly pods: readonly [TestNamespace, TestNamespace];
  readonly threads: [ForwarderThread, ForwarderThread];
  /** Removes what `half` describes, with its pods, and makes new ones: for the next test, on the same nodes. */
  renewPods(): Promise<void>;
  remove(): Promise<void>;
}

export const startIn = (
  node: TestNamespace,
  options: NodeForwarderOptions = {},
): Promise<ForwarderThread> => {
  let started: Promise<ForwarderThread> | undefined;
  // The thread is born, and stays, in the namespace its creator is in.
  node.namespace.run(() => {
    started = startForwarderThread(options);
  });
  return started!;
};

/** @param options of the two forwarders. */
export const makeStage = async (
  options: readonly [NodeForwarderOptions, NodeForwarderOptions] = [
    { vxlanEngine: 'ebpf' },
    { vxlanEngine: 'ebpf' },
  ],
): Promise<Stage> => {
  const nodes = [makeNamespace('node-a'), makeNamespace('node-b')] as const;
  const makePods = () => [makeNamespace('client'), makeNamespace('endpoint')] as const;
  let pods = makePods();
  nodes[0].route.addLink({
    kind: 'veth',
    name: 'under',
    mtu: 1500,
    up: true,
    peer: { name: 'under', namespace: nodes[1].namespace, mtu: 1500, up: true },
  });
  nodes.forEach((node, n) => {
    const index = node.route.link('under')!.index;
    node.route.addAddress(index, { address: `${underlayAddresses[4][n]}/24` });
    node.route.addAddress(index, { address: `${underlayAddresses[6][n]}/64`, nodad: true });
  });
  const threads = await Promise.all([startIn(nodes[0], options[0]), startIn(nodes[1], options[1])]);
  const stage: Stage = {
    nodes,
    get pods() {
      return pods;
    },
    threads,
    async renewPods(): Promise<void> {
      // Of whatever kind: it is found by its id in its pod.
      const halves = ([0, 1] as const).map((side) => half(stage, side, TunnelType.VXLAN, 4, 1400));
      await Promise.all(threads.map(({ client }, side) => client.remove({ crossConnects: [halves[side]!] })));
      for (const pod of pods) pod.remove();
      pods = makePods();
    },
    async remove(): Promise<void> {
      await Promise.all(threads.map((thread) => thread.stop()));
      for (const namespace of [...nodes, ...pods]) namespace.remove();
    },
  };
  return stage;
};

/** The stage of a suite's tests: each has pods of its own, and the nodes are new after a test that failed, or has changed them. */
export interface SharedStage {
  readonly stage: Stage;
  /** For a test that changes the nodes. */
  changeNodes(): void;
}

/** To be called in a suite. @param options of the two forwarders, as of `makeStage`. */
export const shareStage = (options?: Parameters<typeof makeStage>[0]): SharedStage => {
  let stage: Stage | undefined;
  let changed = false;
  beforeEach(async () => {
    stage ??= await makeStage(options);
  });
  afterEach(async ({ task }) => {
    if (!changed && task.result?.state !== 'fail') return await stage?.renewPods();
    await stage?.remove();
    stage = undefined;
    changed = false;
  });
  afterAll(async () => await stage?.remove());
  return {
    get stage() {
      return stage!;
    },
    changeNodes: () => {
      changed = true;
    },
  };
};

/** The half of a cross-connect that lies on node 0 (the client's) or 1 (the endpoint's). */
export const half = (
  { pods }: Stage,
  side: 0 | 1,
  type: TunnelType,
  version: Version,
  mtu: number,
  more: { id?: string; identifier?: number; name?: string; remote?: string; addresses?: string[] } = {},
): fw.CrossConnect => {
  const pod = pods[side];
  const port = create(fw.PortSchema, {
    type: InterfaceType.KERNEL_INTERFACE,
    namespace: { inode: pod.namespace.inode, path: `/run/netns/${pod.name}` },
    name: more.name ?? 'nsm0',
    mac: `02:00:00:00:00:0${side + 1}`,
    mtu,
    addresses: more.addresses ?? [`${podAddresses[4][side]}/31`, `${podAddresses[6][side]}/127`],
    peerAddresses: more.addresses ? [] : [podAddresses[4][1 - side]!],
  });
  const underlay = underlayAddresses[version];
  return create(fw.CrossConnectSchema, {
    // Test files run beside each other, and what a forwarder removes it looks for in every namespace.
    id: `${more.id ?? `node-${side}:x-1`}-${process.pid}`,
    ...(side === 0 ? { client: port } : { endpoint: port }),
    tunnel: {
      type,
      identifier: more.identifier ?? identifier,
      port: ports[type] ?? 0,
      local: underlay[side]!,
      remote: more.remote ?? underlay[1 - side]!,
    },
  });
};

/** Joins the two pods, at the MTU that the forwarder offers; returns both halves. */
export const join = async (
  stage: Stage,
  type: TunnelType,
  version: Version,
): Promise<{ halves: [fw.CrossConnect, fw.CrossConnect]; mtu: number }> => {
  const { tunnels } = await stage.threads[0].client.offerTunnels({ remote: underlayAddresses[version][1] });
  const mtu = tunnels.find((tunnel) => tunnel.type === type)?.parameters?.mtu ?? 0;
  const halves: [fw.CrossConnect, fw.CrossConnect] = [
    half(stage, 0, type, version, mtu),
    half(stage, 1, type, version, mtu),
  ];
  await Promise.all(halves.map((wanted, n) => stage.threads[n]!.client.apply(wanted)));
  return { halves, mtu };
};

/** The kinds that eBPF cannot carry here, and why: their tests are skipped. */
export const missingKinds = async (): Promise<Map<TunnelType, string>> => {
  const node = makeNamespace('capabilities');
  const thread = await startIn(node);
  try {
    const { tunnels } = await thread.client.getCapabilities({});
    return new Map(
      tunnels
        .filter(({ engine, missing }) => engine === 'eBPF' && missing !== '')
        .map(({ type, missing }) => [type, missing]),
    );
  } finally {
    await thread.stop();
    node.remove();
  }
};
