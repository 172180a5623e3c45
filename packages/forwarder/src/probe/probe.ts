// Asks the other side of a connection whether it is there, by its own interface; and the other node, beside the tunnel.
import { forwarder as fw, NsmError } from '@nsm/api';
import { currentNamespace, EchoSocket, IpPrefix, NetlinkError, type NetworkNamespace } from '@nsm/netlink';
import { OpenPort, peersOf } from '../port/open-port.js';
import { validCrossConnect } from '../port/valid-cross-connect.js';
import { pauseBetweenLooks, resolvesNeighbour } from './neighbour-probe.js';

export interface ProbeReport {
  readonly answered: boolean;
  /** Microseconds. */
  readonly elapsedUs: number;
  /** Why the kernel does not send at all; absent: it sent. */
  readonly unsent?: string;
}

/**
 * @throws NsmError `invalid` when no port is named, or no other end of a tunnel; `dataplane` when the connection has no interface.
 */
export async function probe(
  { crossConnect: wanted, timeoutMs, method, payload }: fw.ProbeRequest,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const crossConnect = wanted && validCrossConnect(wanted);
  if (method === fw.ProbeMethod.UNDERLAY_ECHO) {
    if (!crossConnect?.tunnel) throw new NsmError('invalid', 'the probe names no tunnel');
    const { local, remote } = crossConnect.tunnel;
    using home = currentNamespace();
    const source = IpPrefix.ofAddress(local);
    return await echo(home, remote, { source, payload, hops: 64 }, timeoutMs, signal);
  }
  const port = crossConnect?.client ?? crossConnect?.endpoint;
  if (!crossConnect || !port) throw new NsmError('invalid', 'the probe names no port');
  using open = new OpenPort(port);
  const link = open.find(crossConnect.id);
  if (!link)
    throw new NsmError('dataplane', `no interface of ${crossConnect.id} in netns ${open.namespace.inode}`);
  if (method === fw.ProbeMethod.ECHO) {
    const [peer] = peersOf(open);
    if (peer === undefined)
      throw new NsmError('invalid', 'the other side has no address that could be asked');
    return await echo(open.namespace, peer, { device: link.name, payload }, timeoutMs, signal);
  }
  const startedAt = process.hrtime.bigint();
  const answered = await resolvesNeighbour(open.socket, link.index, port.peerAddresses, timeoutMs, signal);
  return { answered, elapsedUs: Number((process.hrtime.bigint() - startedAt) / 1000n) };
}

/** By the kernel's own times, from the moment at which the request was handed to a device. */
async function echo(
  namespace: NetworkNamespace,
  peer: string,
  options: { device?: string; source?: IpPrefix; hops?: number; payload: Uint8Array },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeReport> {
  try {
    using socket = EchoSocket.open(namespace, IpPrefix.ofAddress(peer), options);
    const until = performance.now() + timeoutMs;
    const pause = pauseBetweenLooks();
    const beganAt = BigInt(Date.now()) * 1_000_000n;
    let leftAt: bigint | undefined;
    socket.send();
    for (;;) {
      // The first device is the pod's; the tunnel's packet leaves by others, which are told of, too.
      leftAt ??= socket.departure()?.time;
      const answeredAt = socket.answer();
      if (answeredAt !== undefined) {
        const elapsedNs = Number(answeredAt - (leftAt ?? socket.departure()?.time ?? beganAt));
        return { answered: true, elapsedUs: Math.max(0, Math.round(elapsedNs / 1000)) };
      }
      if (performance.now() >= until || signal.aborted) return { answered: false, elapsedUs: 0 };
      await pause();
    }
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    return { answered: false, elapsedUs: 0, unsent: error.message };
  }
}
