// Everything that can break under a connection, and how a test breaks it: the rows of the failure matrix.
import { setTimeout as sleep } from 'node:timers/promises';
import { detachTcx, hasTcx, tcxPrograms } from '@nsm/netlink';
import { ipJson, run, waitFor } from '@nsm/testkit';
import type { MeshNode } from '../mesh/mesh-node.js';
import { deviceOf, hashOf } from '../mesh/pod-network.js';
import { underlayDevice } from '../mesh/underlay.js';
import { clearBpfMap } from './bpf-maps.js';
import { type Connected, route, type Stage } from './stage.js';

export interface Failure {
  readonly name: string;
  /** Where it makes sense. Default: everywhere. */
  readonly where?: 'remote' | 'eBPF';
  /** What must not cost a packet. */
  readonly lossless?: boolean;
  /** Traffic must go through the other endpoint afterwards. */
  readonly moves?: boolean;
  /** Only silence tells of it, and silence must last to be believed: too long for `npm test`. */
  readonly slow?: boolean;
  /** Nothing of other connections is touched. */
  readonly alone?: boolean;
  /** Time to recover is counted from the end of `happen`: until then nothing could. */
  readonly lasts?: boolean;
  /** Breaks it and, where that is part of the row, brings it back. */
  readonly happen: (stage: Stage, connected: Connected) => Promise<unknown>;
}

/** Milliseconds that the network is away: several times what any keepalive may take to notice. */
const away = 1_000;

const inNode = (node: MeshNode, ...words: string[]): Promise<string> =>
  run(undefined, 'ip', ['-n', node.namespace.name, ...words]);

const both = ({ local }: Stage, { serving }: Connected): MeshNode[] => [local, serving.node];

/** The device that carries a connection in the pod of its endpoint. */
const endpointDevice = async ({ id, serving }: Connected): Promise<string> =>
  (await deviceOf(serving.pod?.name ?? '', hashOf(id))).name;

/** Removes our programs from the way into devices of a node, by whichever means they are there. */
const removePrograms = async (node: MeshNode, from: (device: string) => boolean): Promise<void> => {
  const { name } = node.namespace;
  const devices = (await ipJson(name, ['link'])).filter(({ ifname }) => from(String(ifname)));
  for (const { ifname, ifindex } of devices) {
    if (hasTcx())
      node.namespace.namespace.run(() => {
        for (const hook of ['ingress', 'egress'] as const)
          for (const id of tcxPrograms(Number(ifindex), hook)) detachTcx(Number(ifindex), hook, id);
      });
    await run(undefined, 'tc', ['-n', name, 'qdisc', 'del', 'dev', String(ifname), 'clsact']);
  }
};

const isNodeEnd = (device: string): boolean => device.startsWith('nst');

export const failures: readonly Failure[] = [
  {
    name: 'endpoint process killed',
    moves: true,
    happen: (stage, { serving }) => stage.unseat(serving, 'SIGKILL'),
  },
  {
    name: 'endpoint removed',
    moves: true,
    lossless: true,
    happen: (stage, { serving }) => stage.unseat(serving, 'SIGTERM'),
  },
  {
    name: "endpoint's node drained",
    where: 'remote',
    moves: true,
    lossless: true,
    happen: (_, { serving }) => serving.node.drain(),
  },
  {
    name: "endpoint's namespace deleted",
    moves: true,
    happen: (stage, { serving }) => stage.removePod(serving),
  },
  {
    name: 'all endpoints gone, then one comes back',
    lasts: true,
    happen: async (stage, { id, serving, spare }) => {
      await Promise.all([stage.removePod(serving), stage.removePod(spare)]);
      await waitFor(
        async () => (await stage.local.connections()).some((c) => c.id === id && c.state !== 'UP'),
        {
          what: 'the connection being seen as broken',
        },
      );
      await stage.occupy(serving);
    },
  },
  {
    name: 'local manager killed and restarted',
    lossless: true,
    happen: ({ local }) => local.restart('SIGKILL'),
  },
  {
    name: 'remote manager killed and restarted',
    where: 'remote',
    lossless: true,
    happen: (_, { serving }) => serving.node.restart('SIGKILL'),
  },
  {
    name: 'remote manager gone for good',
    where: 'remote',
    happen: (_, { serving }) => serving.node.end('SIGKILL'),
  },
  {
    name: 'both managers killed and restarted',
    where: 'remote',
    lossless: true,
    happen: async (stage, connected) => {
      const nodes = both(stage, connected);
      await Promise.all(nodes.map((node) => node.end('SIGKILL')));
      await Promise.all(nodes.map((node) => node.start()));
    },
  },
  {
    name: 'forwarder killed and restarted',
    lossless: true,
    happen: async (stage, connected) => {
      for (const node of new Set(both(stage, connected))) {
        await node.endForwarder('SIGKILL');
        await node.startForwarder();
      }
    },
  },
  {
    name: 'registry killed and restarted',
    lossless: true,
    happen: async ({ mesh }) => {
      await mesh.registry?.kill();
      await mesh.registry?.start();
    },
  },
  {
    name: "registry's store lost",
    lossless: true,
    happen: async ({ mesh }) => {
      await mesh.registry?.kill();
      mesh.registry?.loseStore();
      await mesh.registry?.start();
    },
  },
  {
    name: 'underlay link down and up',
    where: 'remote',
    lasts: true,
    happen: async (_, { serving }) => {
      await inNode(serving.node, 'link', 'set', underlayDevice, 'down');
      await sleep(away);
      await inNode(serving.node, 'link', 'set', underlayDevice, 'up');
    },
  },
  {
    name: 'underlay partitioned and healed',
    where: 'remote',
    lasts: true,
    happen: async ({ mesh, local }, { serving }) => {
      await mesh.switch.part(local.name, serving.node.name);
      await sleep(away);
      await mesh.switch.heal();
    },
  },
  {
    name: 'underlay partitioned for good',
    where: 'remote',
    slow: true,
    moves: true,
    happen: ({ mesh, local }, { serving }) => mesh.switch.part(local.name, serving.node.name),
  },
  {
    name: "interface deleted in the client's pod",
    alone: true,
    happen: (_, { client, device }) => run(client.name, 'ip', ['link', 'del', device]),
  },
  {
    name: "interface set down in the client's pod",
    alone: true,
    happen: (_, { client, device }) => run(client.name, 'ip', ['link', 'set', device, 'down']),
  },
  {
    name: "interface deleted in the endpoint's pod",
    alone: true,
    happen: async (_, connected) =>
      run(connected.serving.pod?.name, 'ip', ['link', 'del', await endpointDevice(connected)]),
  },
  {
    name: "interface set down in the endpoint's pod",
    alone: true,
    happen: async (_, connected) =>
      run(connected.serving.pod?.name, 'ip', ['link', 'set', await endpointDevice(connected), 'down']),
  },
  {
    name: "address removed in the client's pod",
    alone: true,
    happen: (_, { client, device, address }) =>
      run(client.name, 'ip', ['address', 'del', address, 'dev', device]),
  },
  {
    name: "address removed in the endpoint's pod",
    alone: true,
    happen: async (_, connected) =>
      run(connected.serving.pod?.name, 'ip', [
        ...['-4', 'address', 'flush', 'dev', await endpointDevice(connected)],
      ]),
  },
  {
    name: "route removed in the client's pod",
    alone: true,
    happen: (_, { client }) => run(client.name, 'ip', ['route', 'del', route]),
  },
  {
    name: "route removed in the endpoint's pod",
    alone: true,
    happen: async (_, connected) =>
      run(connected.serving.pod?.name, 'ip', [
        ...['-4', 'route', 'flush', 'dev', await endpointDevice(connected)],
      ]),
  },
  {
    name: 'eBPF program removed from the underlay, on both nodes',
    where: 'eBPF',
    happen: async (stage, connected) => {
      for (const node of both(stage, connected))
        await removePrograms(node, (device) => device === underlayDevice);
    },
  },
  {
    name: "eBPF program removed from the node's ends, on both nodes",
    where: 'eBPF',
    happen: async (stage, connected) => {
      for (const node of both(stage, connected)) await removePrograms(node, isNodeEnd);
    },
  },
  {
    name: 'eBPF map entry removed, outgoing',
    where: 'eBPF',
    happen: ({ local }) => clearBpfMap(local.namespace.name, 'nsm_outgoing'),
  },
  {
    name: 'eBPF map entry removed, incoming',
    where: 'eBPF',
    happen: ({ local }) => clearBpfMap(local.namespace.name, 'nsm_incoming'),
  },
  {
    name: 'remote node rebooted',
    where: 'remote',
    lasts: true,
    happen: async (stage, { serving }) => {
      await stage.switchOff(serving.node);
      await serving.node.start();
      await stage.occupy(serving);
    },
  },
  {
    name: 'remote node gone for good',
    where: 'remote',
    slow: true,
    moves: true,
    happen: (stage, { serving }) => stage.switchOff(serving.node),
  },
];
