// Asks the other side of a connection whether it is there, by its own interface.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { resolvesNeighbour } from './neighbour-probe.js';
import { OpenPort } from './open-port.js';
import { validCrossConnect } from './valid-cross-connect.js';

export interface ProbeReport {
  readonly answered: boolean;
  /** Microseconds. */
  readonly elapsedUs: number;
}

/** @throws NsmError `invalid` when no port is named, `dataplane` when the connection has no interface. */
export async function probe(
  { crossConnect: wanted, timeoutMs }: fw.ProbeRequest,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const crossConnect = wanted && validCrossConnect(wanted);
  const port = crossConnect?.client ?? crossConnect?.endpoint;
  if (!crossConnect || !port) throw new NsmError('invalid', 'the probe names no port');
  using open = new OpenPort(port);
  const link = open.find(crossConnect.id);
  if (!link)
    throw new NsmError('dataplane', `no interface of ${crossConnect.id} in netns ${open.namespace.inode}`);
  const startedAt = process.hrtime.bigint();
  const answered = await resolvesNeighbour(open.socket, link.index, port.peerAddresses, timeoutMs, signal);
  return { answered, elapsedUs: Number((process.hrtime.bigint() - startedAt) / 1000n) };
}
