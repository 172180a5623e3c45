// Every interface type of a client with every one of an endpoint, on one node and over each tunnel, by the real commands:
// packets flow, or the refusal says exactly why. Adapters and virtual functions are veth pairs on a switch.
import { isDeepStrictEqual } from 'node:util';
import { TunnelType, tunnelNames } from '@nsm/api';
import { firstAnswer, leaks, type Running, requireRoot, type TestNamespace, waitFor } from '@nsm/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../mesh/agent.js';
import { type Application, startMemif, startVhost, type Told } from '../mesh/applications.js';
import { Mesh, type Pod } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { type Connected, nsm, nsmJson } from '../mesh/nsm-command.js';
import { bare, devicesOf, passes } from '../mesh/pod-network.js';
import { HW, interfaceOf, KERNEL, MEM, SRIOV, VHOST } from '../mesh/specification.js';
import { makeSwitch, makeSysfs, plug } from '../mesh/stand-ins.js';
import { missingTestpmd, type Parameters } from '../mesh/testpmd.js';
import { thorough } from '../reliability/config.js';

interface Attached extends Connected {
  readonly interface: string;
  readonly interfaceParameters: Parameters;
  readonly tunnel: { readonly type: string } | null;
}

const types = ['kernel', 'mem', 'vhost', 'sriov', 'hw'] as const;
type Type = (typeof types)[number];
const interfaceNumbers = { kernel: KERNEL, mem: MEM, vhost: VHOST, sriov: SRIOV, hw: HW } as const;
const named = (type: Type): string => `${type.toUpperCase()}_INTERFACE`;

const local = 'local';
const tunnels = [
  TunnelType.VXLAN,
  TunnelType.GRE,
  TunnelType.VXLAN_GRE,
  TunnelType.MPLSoGRE,
  TunnelType.MPLSoUDP,
  TunnelType.MPLSoEthernet,
].map((type) => tunnelNames[type] ?? '');
type Way = string;

/** Of each node, on the switch. */
const devices = ['hw0', 'hw1', 'pf0', 'vf0', 'vf1'];

/** What a node can join, in its own words. */
const joinsLocally =
  'KERNEL_INTERFACE, MEM_INTERFACE, VHOST_INTERFACE, HW_INTERFACE, SRIOV_INTERFACE, ' +
  'MEM_INTERFACE to KERNEL_INTERFACE, KERNEL_INTERFACE to MEM_INTERFACE, VHOST_INTERFACE to KERNEL_INTERFACE, ' +
  'KERNEL_INTERFACE to VHOST_INTERFACE';
const joinsRemotely = 'HW_INTERFACE, SRIOV_INTERFACE, KERNEL_INTERFACE, MEM_INTERFACE, VHOST_INTERFACE';

const hasOwnWire = (type: Type): boolean => type === 'hw' || type === 'sriov';
/** What the forwarder can send through a tunnel. */
const isFrames = (type: Type): boolean => !hasOwnWire(type);

/** Two kinds of shared memory, of which each needs a device of the kernel's at the other side. */
const crossed = (client: Type, endpoint: Type): boolean =>
  client !== endpoint && client !== 'kernel' && endpoint !== 'kernel';

const works = (way: Way, client: Type, endpoint: Type): boolean =>
  isFrames(client) && isFrames(endpoint)
    ? !(way === local && crossed(client, endpoint))
    : client === endpoint;

/** Which manager refuses, and in which words: the client's where it can tell by itself. */
const refusal = (way: Way, client: Type, endpoint: Type): string => {
  const name = endpointName(way, endpoint);
  const service = serviceName(way, endpoint);
  const asked = `no interface types that can be joined: the client asks for ${named(client)}, the endpoint offers ${named(endpoint)}`;
  const own = `no endpoint of network service "${service}" fits: ${name}: ${asked}, this node can join`;
  if (way === local) return `${own} ${joinsLocally} (NSM0202)`;
  const seenHere = isFrames(client) && !hasOwnWire(endpoint);
  if (seenHere)
    return `manager "node-b": ${asked}, its node can join ${joinsRemotely} to another node (NSM0301)`;
  return `${own} ${joinsRemotely} to another node (NSM0202)`;
};

const endpointName = (way: Way, type: Type): string => (way === local ? `near-${type}` : `far-${type}`);
const serviceName = (way: Way, type: Type): string => `${way.toLowerCase()}.${type}`;

/**
 * Without the thorough run, of those that work: what goes through a tunnel is the same frames, whoever sends them, and MEM with
 * KERNEL is tried by packets/packets.net.test.ts, HW between nodes by hardware.net.test.ts, VHOST with VHOST by
 * shared-memory.net.test.ts.
 */
const quickly: readonly (readonly [way: Way, client: Type, endpoint: Type])[] = [
  [local, 'kernel', 'kernel'],
  [local, 'kernel', 'vhost'],
  [local, 'vhost', 'kernel'],
  [local, 'mem', 'mem'],
  [local, 'sriov', 'sriov'],
  [local, 'hw', 'hw'],
  ['VXLAN', 'vhost', 'mem'],
  ['VXLAN', 'sriov', 'sriov'],
];
/** Of those that do not, all on one node, and from KERNEL over one tunnel. */
const quick = (way: Way, client: Type, endpoint: Type): boolean =>
  works(way, client, endpoint)
    ? quickly.some((cell) => isDeepStrictEqual(cell, [way, client, endpoint]))
    : way === local || (way === 'VXLAN' && client === 'kernel');

const cells = [local, ...tunnels].flatMap((way) =>
  types.flatMap((client) =>
    types
      .filter((endpoint) => thorough || quick(way, client, endpoint))
      .map((endpoint) => ({ way, client, endpoint })),
  ),
);

describe.skipIf(!requireRoot('types'))('every interface type with every other', { timeout: 120_000 }, () => {
  let mesh: Mesh;
  let network: TestNamespace;
  let client: Pod;
  let agent: Agent;
  const pods = new Map<string, Pod>();
  const serving = new Map<string, Running>();
  const missing = new Map<string, string>();

  beforeAll(async () => {
    network = makeSwitch('network');
    const services = tunnels.flatMap((kind) => types.map((type) => `${serviceName(kind, type)}=${kind}`));
    mesh = new Mesh({
      flags: ['--prefix', '10.60.0.0/16', '--tunnel', services.join(',')],
      flagsOf: ({ dir }) => [
        ...['--hw-pool', 'lab?name=hw*', '--sriov-pool', 'fast?pf=pf*'],
        ...['--sysfs', makeSysfs(dir, ['vf0', 'vf1'])],
      ],
    });
    for (const node of mesh.nodes) for (const name of devices) plug(node, name, network);
    await mesh.joinNodes();
    await mesh.startManagers();
    client = mesh.pod('client');
    agent = await mesh.agent(client);
    for (const type of types) await Promise.all([serve(mesh.a, [local], type), serve(mesh.b, tunnels, type)]);
    await mesh.a.knows(...types.map((type) => `${serviceName('GRE', type)}/far-${type}`));
    const { capabilities } = await nsmJson<{
      readonly capabilities: readonly { type: string; works: boolean; missing: string }[];
    }>('get', 'tunnels', '--run-dir', mesh.a.runDir);
    for (const kind of tunnels)
      if (!capabilities.some(({ type, works }) => type === kind && works))
        missing.set(kind, capabilities.find(({ type }) => type === kind)?.missing ?? 'unknown here');
  }, 60_000);
  afterEach(async () => {
    for (const node of mesh.nodes) await node.closeAll();
    expect(await devicesOf(client.name)).toEqual([]);
  });
  afterAll(async () => {
    await mesh?.stop();
    network?.remove();
    expect(leaks()).toEqual([]);
  });

  const serve = async (node: MeshNode, ways: readonly Way[], type: Type): Promise<void> => {
    const name = endpointName(ways[0] ?? local, type);
    const pod = mesh.pod(name);
    pods.set(name, pod);
    const services = ways.map((way) => serviceName(way, type));
    serving.set(name, await mesh.endpoint(node, { pod, name, services, flags: ['--interface', type] }));
  };
  const asking = (way: Way, from: Type, to: Type): string[] => [
    ...['connect', serviceName(way, to), '--request-id', 'one', '--netns', client.name],
    ...['--run-dir', mesh.a.runDir, '--interface', from],
  ];
  /** What the endpoint's process was told of the last connection, of which there are `count` by now. */
  const told = async (name: string, count: number): Promise<Parameters> => {
    const accepted = await waitFor(() => {
      const lines = serving.get(name)?.output().split('\n') ?? [];
      return lines.filter((line) => line.includes('client-accepted') && line.endsWith('}'))[count - 1];
    });
    return (JSON.parse(accepted) as { interfaceParameters: Parameters }).interfaceParameters;
  };
  const served = new Map<string, number>();
  /** The application that a side needs, where it has no device. */
  const application = async (type: Type, pod: Pod, what: Told): Promise<Application | undefined> =>
    type === 'mem' ? await startMemif(pod, what) : type === 'vhost' ? await startVhost(pod, what) : undefined;

  it.for(cells.filter(({ way, client: from, endpoint }) => works(way, from, endpoint)))(
    '$way: $client to $endpoint carries packets',
    async ({ way, client: from, endpoint: to }, { skip }) => {
      const why = missing.get(way) ?? ([from, to].includes('vhost') ? missingTestpmd() : undefined);
      if (why !== undefined && !hasOwnWire(from)) skip(why);
      const name = endpointName(way, to);
      const pod = pods.get(name)!;
      const connected = await nsmJson<Attached>(...asking(way, from, to));
      const { mtu, addresses, peerAddresses } = connected;
      expect(connected).toMatchObject({ interface: from, endpoint: name });
      expect(connected.tunnel?.type).toBe(way === local || hasOwnWire(from) ? undefined : way);
      {
        const peer = peerAddresses.map((address) => `${address}/31`);
        const count = (served.get(name) ?? 0) + 1;
        served.set(name, count);
        const parameters = await told(name, count);
        await using there = await application(to, pod, { parameters, addresses: peer, mtu });
        await using here = await application(from, client, {
          parameters: connected.interfaceParameters,
          addresses,
          mtu,
        });
        await there?.connected();
        await here?.connected();
        const [ours = '', theirs = ''] = [addresses[0], peerAddresses[0]].map((one) => bare(one ?? ''));
        await firstAnswer(client.name, theirs, {
          timeout: 20_000,
          what: 'the first answer',
        });
        for (const [one, other] of [
          [client, theirs],
          [pod, ours],
        ] as const)
          await waitFor(() => passes(one.name, other, mtu), {
            timeout: 20_000,
            what: 'the full MTU passing',
          });
      }
      await nsm(
        ...['disconnect', serviceName(way, to), '--request-id', 'one', '--netns', client.name],
        ...['--run-dir', mesh.a.runDir],
      );
      for (const node of mesh.nodes) expect(await node.connections()).toEqual([]);
    },
  );

  const refused = cells.filter(({ way, client: from, endpoint }) => !works(way, from, endpoint));
  it.for([...new Set(refused.map(({ way }) => way))])(
    '%s: all other pairs are refused, with the exact reason',
    async (way) => {
      const others = refused.filter((cell) => cell.way === way);
      const wrong: object[] = [];
      // On one node there are many, and a process for each would take long: there an agent asks.
      const ask = async (from: Type, to: Type): Promise<string> => {
        if (way !== local) {
          // For people the command line says the reason once, in words of its own.
          const { status, stderr } = await nsm(...asking(way, from, to), '--json');
          if (status !== 1) return `${status}: ${stderr}`;
          const { message, code } = (JSON.parse(stderr) as { error: { message: string; code: string } })
            .error;
          return `${message} (${code})`;
        }
        const interfaces = [interfaceOf(interfaceNumbers[from])];
        const request = { requestId: 'one', service: serviceName(way, to), netns: client.netns, interfaces };
        return (await agent.connect(mesh.a.runDir, request)).error;
      };
      for (const { client: from, endpoint: to } of others) {
        const [said, expected] = [await ask(from, to), refusal(way, from, to)];
        if (said !== expected) wrong.push({ from, to, said, expected });
      }
      expect(wrong).toEqual([]);
    },
  );

  it('leaves nothing behind', async () => {
    const found = await Promise.all(mesh.nodes.map(({ namespace }) => devicesOf(namespace.name)));
    expect(found.map((list) => list.map(({ name }) => name).toSorted())).toEqual(
      Array(2).fill([...devices, 'underlay'].toSorted()),
    );
  });
});
