// Whether what exists is what the live connections need, no more and no less: devices, addresses, routes, eBPF maps,
// allocators, stores. Seen by `ip`, `tc`, `bpftool` and the files themselves, not by the library that made them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { admin, Channel, state, TunnelType } from '@nsm/api';
import { waitFor } from '@nsm/testkit';
import type { Mesh } from '../mesh/mesh.js';
import type { MeshNode } from '../mesh/mesh-node.js';
import { bare, type Device, devicesOf, hashOf } from '../mesh/pod-network.js';
import { underlayDevice } from '../mesh/underlay.js';
import { bpfMapsOf } from './bpf-maps.js';

/** One end of a connection, as a manager lists it. */
interface WantedEnd {
  readonly id: string;
  readonly inode: number;
  readonly port: NonNullable<NonNullable<admin.Connection['crossConnect']>['client']>;
  readonly tunnel: NonNullable<admin.Connection['crossConnect']>['tunnel'];
}

/** Waits up to `timeout` ms until `leaksNow` finds nothing but what is told already; returns what it found last. */
export async function leaksOf(
  mesh: Mesh,
  timeout = 5_000,
  told: ReadonlySet<string> = new Set(),
): Promise<string[]> {
  let found: string[] = [];
  await waitFor(
    async () => {
      found = (await leaksNow(mesh)).filter((leak) => !told.has(leak));
      return found.length === 0;
    },
    { timeout, interval: 50 },
  ).catch((error: Error) => {
    // Not only "not within": the reason why nothing could be seen is a finding, too.
    if (found.length === 0) found = [String(error.cause ?? error)];
  });
  return found;
}

/** Everything that there is too much of, or too little, at this moment. */
export async function leaksNow(mesh: Mesh): Promise<string[]> {
  const listed = new Map(
    await Promise.all(mesh.nodes.map(async (node) => [node, await node.connections()] as const)),
  );
  const ends = [...listed.values()].flat().flatMap(endsOf);
  const pods = await Promise.all(
    [...mesh.pods].map(async ({ name, inode }) =>
      comparePod(
        name,
        ends.filter((end) => end.inode === inode),
        await devicesOf(name),
      ),
    ),
  );
  const inodes = new Set([...mesh.pods].map(({ inode }) => inode));
  const homeless = ends
    .filter(({ inode }) => !inodes.has(inode))
    .map(({ id, inode }) => `${id}: its namespace net:[${inode}] does not exist`);
  const nodes = await Promise.all([...listed].map(([node, connections]) => compareNode(node, connections)));
  const all = [...listed.values()].flat();
  const pairs = await comparePairs(mesh.nodes, all);
  return [...pods.flat(), ...homeless, ...nodes.flat(), ...pairs, ...compareSides(all)];
}

function endsOf({ id, state, crossConnect }: admin.Connection): WantedEnd[] {
  // What heals has nothing until it has found another endpoint; what closes, nothing any more.
  if (state !== 'UP') return [];
  return [crossConnect?.client, crossConnect?.endpoint].flatMap((port) =>
    port?.namespace ? [{ id, inode: port.namespace.inode, port, tunnel: crossConnect?.tunnel }] : [],
  );
}

/** The devices of a pod against the ends of connections in it. */
function comparePod(pod: string, ends: readonly WantedEnd[], devices: readonly Device[]): string[] {
  const found: string[] = [];
  const left = new Set(devices);
  for (const { id, port, tunnel } of ends) {
    const device = devices.find(({ name, alias }) => alias === id && name === port.name);
    if (!device) {
      found.push(`${pod}: no device ${port.name} for ${id}`);
      continue;
    }
    left.delete(device);
    const wanted = {
      up: true,
      mtu: port.mtu,
      mac: port.mac,
      addresses: port.addresses.toSorted(),
      routes: port.routes.map(({ destination }) => destination).toSorted(),
    };
    const actual = {
      up: device.up,
      mtu: device.mtu,
      mac: device.mac,
      addresses: device.addresses.toSorted(),
      routes: device.routes.map((route) => route.replace(/ via .*/, '')).toSorted(),
    };
    const [want, have] = [JSON.stringify(wanted), JSON.stringify(actual)];
    if (want !== have) found.push(`${pod}: ${device.name} of ${id} has ${have} instead of ${want}`);
    if (tunnel && device.kind === 'vxlan' && device.data.id !== tunnel.identifier)
      found.push(`${pod}: ${device.name} of ${id} has VNI ${device.data.id} instead of ${tunnel.identifier}`);
  }
  for (const { name, alias } of left)
    found.push(`${pod}: device ${name} (${alias || 'no alias'}) is left over`);
  return found;
}

/** A node's namespace, its maps, its manager's own counts and its store, against what its manager lists. */
async function compareNode(node: MeshNode, connections: readonly admin.Connection[]): Promise<string[]> {
  const up = new Set(connections.filter(({ state }) => state === 'UP').map(({ id }) => id));
  const [devices, maps, status] = await Promise.all([
    devicesOf(node.namespace.name),
    bpfMapsOf(node.namespace.name),
    statusOf(node),
  ]);
  const nodeEnds = devices.filter(({ name }) => name !== underlayDevice);
  const found = nodeEnds
    .filter(({ alias }) => !up.has(alias.replace(/^tunnel of /, '')))
    .map(({ name, alias }) => `${node.name}: device ${name} (${alias || 'no alias'}) is left over`);
  // A vxlan device of the kernel's is in the pod alone, and has an entry that guards it, where there are eBPF programs.
  const atNode = new Set(nodeEnds.map(({ alias }) => alias.replace(/^tunnel of /, '')));
  const guarded = connections.filter(
    ({ id, state, crossConnect }) =>
      state === 'UP' && crossConnect?.tunnel?.type === TunnelType.VXLAN && !atNode.has(id),
  ).length;
  const indexes = nodeEnds.map(({ index }) => index).toSorted((a, b) => a - b);
  for (const { name, keys } of maps) {
    if (!/^nsm_(incoming|outgoing|traffic)/.test(name)) continue;
    const incoming = name.startsWith('nsm_incoming');
    const numbers = keys.map(firstWord).filter((index) => index !== 0 && index < 2 ** 31);
    const wanted = incoming ? indexes.length + guarded : indexes.join();
    const actual = incoming ? keys.length : numbers.toSorted((a, b) => a - b).join();
    const counted = keys.map(firstWord).filter((index) => index >= 2 ** 31).length;
    if (name.startsWith('nsm_traffic') && counted !== guarded)
      found.push(`${node.name}: eBPF map ${name} counts for ${counted} vxlan devices instead of ${guarded}`);
    if (wanted !== actual)
      found.push(`${node.name}: eBPF map ${name} has [${actual}] instead of [${wanted}]`);
  }
  const stored = storedIds(node).toSorted();
  const ids = connections.map(({ id }) => id).toSorted();
  if (stored.join() !== ids.join())
    found.push(`${node.name}: its store has [${stored}], its manager lists [${ids}]`);
  const tunnels = connections.filter(({ state, crossConnect }) => state === 'UP' && crossConnect?.tunnel);
  const wanted = { connections: ids.length, tunnelIdentifiers: tunnels.length };
  for (const [what, count] of Object.entries(wanted)) {
    const actual = status[what as keyof typeof wanted];
    if (actual !== count)
      found.push(`${node.name}: its manager counts ${actual} ${what}, ${count} are listed`);
  }
  return found;
}

/**
 * The address pairs of the whole mesh: the client's manager has that of a connection, or the endpoint's, where what the client's proposed
 * was in the way in the endpoint's pod.
 */
async function comparePairs(
  nodes: readonly MeshNode[],
  connections: readonly admin.Connection[],
): Promise<string[]> {
  const statuses = await Promise.all(nodes.map(statusOf));
  const taken = statuses.reduce((sum, { addressPairs }) => sum + addressPairs, 0);
  const used = connections.flatMap(({ role, state, connectionParameters }) =>
    role === 'ENDPOINT' || state === 'CLOSING' ? [] : (connectionParameters?.addresses ?? []),
  ).length;
  return taken === used ? [] : [`the managers have ${taken} address pairs, ${used} are used`];
}

/** Both halves of a remote connection exist, and agree on the tunnel and on the addresses. */
function compareSides(connections: readonly admin.Connection[]): string[] {
  const remote = connections.filter(({ role, state }) => role !== 'LOCAL' && state === 'UP');
  return remote.flatMap((connection) => {
    const hash = hashOf(connection.id);
    const other = remote.find(({ id, role }) => role !== connection.role && hashOf(id) === hash);
    if (!other) return [`${connection.id} (${connection.role}) has no other half`];
    const [mine, theirs] = [connection, other].map(({ crossConnect }) => crossConnect?.tunnel);
    if (
      mine?.identifier !== theirs?.identifier ||
      mine?.type !== theirs?.type ||
      mine?.local !== theirs?.remote
    )
      return [`${connection.id} (${tunnelText(mine)}) and ${other.id} (${tunnelText(theirs)}) do not agree`];
    const client = connection.crossConnect?.client;
    const reached = other.crossConnect?.endpoint?.addresses.map(bare) ?? [];
    const wrong = client?.peerAddresses.some((address) => !reached.includes(bare(address)));
    return wrong ? [`${connection.id}: ${client?.peerAddresses} is not at ${other.id}`] : [];
  });
}

function tunnelText(tunnel: WantedEnd['tunnel']): string {
  return tunnel
    ? `${tunnel.type} ${tunnel.identifier} from ${tunnel.local} to ${tunnel.remote}`
    : 'no tunnel';
}

async function statusOf({ runDir }: MeshNode): Promise<admin.ManagerStatus> {
  using channel = new Channel(`unix:${runDir}/admin.sock`);
  return await channel.client(admin.Admin).getManager({}, { timeoutMs: 5_000 });
}

/**
 * Read from the file itself, beside the manager that writes it: magic number, length and checksum of 4 bytes each, then a
 * `nsmstate.Change`; the last one of a key counts. Zeros follow.
 */
function storedIds({ stateDir }: MeshNode): string[] {
  const file = readdirSync(stateDir).find((name) => /^connections\.[^.]+\.records$/.test(name));
  if (file === undefined) throw new Error(`${stateDir} has no file of connections`);
  const bytes = readFileSync(join(stateDir, file));
  const stored = new Set<string>();
  for (let at = 0; at < bytes.length && bytes.readUInt32LE(at) !== 0; ) {
    const end = at + 12 + bytes.readUInt32LE(at + 4);
    const { key, value } = fromBinary(state.ChangeSchema, bytes.subarray(at + 12, end));
    if (value) stored.add(key);
    else stored.delete(key);
    at = end;
  }
  return [...stored];
}

/** An interface index in the byte order of the machine. */
function firstWord(key: readonly string[]): number {
  return Buffer.from(key.slice(0, 4).map((byte) => Number(byte))).readUInt32LE();
}
