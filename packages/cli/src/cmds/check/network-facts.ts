// Facts of the network between this node and the others: what the manager says of them, and what is measured from here.
import { lookup } from 'node:dns/promises';
import { type admin, splitHostPort } from '@nsm/api';
import { IpPrefix, NetlinkError, RouteSocket } from '@nsm/netlink';
import { ownCommand } from '../../own-command.js';
import type { StatusView } from '../status/status-view.js';
import type { Outcome } from './check.js';
import type { CheckContext, ManagerAnswers } from './check-context.js';
import { type MeasuredMtu, measureMtu } from './measure-mtu.js';
import { readWays } from './tunnel-ways.js';

export interface NetworkFacts extends ManagerAnswers {
  /** Host of --advertise, and what it means. */
  readonly host: string;
  readonly hostAddresses: readonly string[];
  readonly ownAddresses: readonly string[];
  /** This process is in the network namespace of the node's tunnels. */
  readonly sameNetwork: boolean;
  /** The command that checks from within that namespace. */
  readonly thereToo: string;
  readonly peers: readonly PeerFacts[];
}

export interface PeerFacts {
  readonly manager: string;
  readonly address: string;
  readonly alive: boolean;
  readonly secure: boolean;
  /** Why it does not answer; '' when it does. */
  readonly error: string;
  readonly code: string;
  readonly version: string;
  readonly roundTripMs: number;
  readonly clockAheadMs: number | undefined;
  /** Or why it could not be measured. */
  readonly mtu: MeasuredMtu | string;
  /** How many kinds of tunnel this node can make towards it, and why not one of the others. */
  readonly kinds: number;
  readonly obstacle: string;
  /** Whether what tunnels send passes. */
  readonly ways: readonly Outcome[];
}

export async function readNetworkFacts(context: CheckContext): Promise<NetworkFacts> {
  const answers = await context.manager();
  const { view, status } = answers;
  const sameNetwork = await isSameNetwork(status);
  const host = splitHostPort(view.manager.address).host;
  return {
    ...answers,
    host,
    hostAddresses: await addressesOf(host),
    ownAddresses: ownAddresses(),
    sameNetwork,
    thereToo: `nsenter --net=/proc/${(await context.daemon()) ?? 'PID'}/ns/net ${ownCommand('nsm check', context.flags.runDir)}`,
    peers: await readPeers(context, view, sameNetwork),
  };
}

/** Ways that are measured at a time: mostly they wait for answers. */
const lanes = 16;

async function readPeers(
  context: CheckContext,
  view: StatusView,
  sameNetwork: boolean,
): Promise<readonly PeerFacts[]> {
  const peers = await context.peers();
  const measured: PeerFacts[] = [];
  const queue = peers.values();
  const lane = async (): Promise<void> => {
    for (const peer of queue) {
      context.progress(
        `measuring the way to ${peer.manager}, ${measured.length} of ${peers.length} are done`,
      );
      measured.push(await measure(peer, view, sameNetwork));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return measured.toSorted((one, other) => one.manager.localeCompare(other.manager));
}

async function measure(peer: admin.PeerCheck, view: StatusView, sameNetwork: boolean): Promise<PeerFacts> {
  const { manager, address, error, code, version, roundTripMs, clockAheadMs, remote, tunnels, obstacles } =
    peer;
  const record = view.managers.find(({ name }) => name === manager);
  const reachable = sameNetwork && remote !== '';
  const mtu = reachable ? await measureMtu(remote) : 'its address is not known';
  // A machine that is off answers nothing at all: there is nothing to be learnt of its doors.
  const isOff = error !== '' && typeof mtu === 'string';
  const ways = reachable && !isOff ? await readWays(peer, tunnels, view.connections) : [];
  return {
    manager,
    address,
    alive: record?.alive ?? false,
    secure: record?.security === 'mtls',
    error,
    code,
    version,
    roundTripMs,
    clockAheadMs,
    mtu,
    kinds: tunnels.length,
    obstacle: obstacles[0]?.missing ?? '',
    ways,
  };
}

async function isSameNetwork({ capabilities }: admin.ManagerStatus): Promise<boolean> {
  // A manager whose forwarder is away does not say.
  if (!capabilities) return true;
  const { nodeId } = await import('@nsm/forwarder');
  return nodeId() === capabilities.nodeId;
}

async function addressesOf(host: string): Promise<string[]> {
  const known = IpPrefix.parseAddress(host)?.address;
  if (known !== undefined) return [known];
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
}

function ownAddresses(): string[] {
  try {
    using socket = RouteSocket.open();
    return socket.addresses().map(({ address }) => IpPrefix.of(address).address);
  } catch (error) {
    if (error instanceof NetlinkError) return [];
    throw error;
  }
}
