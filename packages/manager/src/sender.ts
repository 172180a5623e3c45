// The side of a connection that packets are sent from: a pod of this node that has a device, by which its kernel sends.
import { type forwarder as fw, interfaceWords, NsmError, traitsOf } from '@nsm/api';
import type { Forwarder } from './forwarder-client.js';
import type { Connection } from './state/connection.js';

export type Side = 'client' | 'endpoint';

export interface Sender {
  readonly side: Side;
  readonly port: fw.Port;
}

/** The client's side, or the endpoint's where the client is not on this node or has no device; undefined where neither has. */
export function senderOf({ crossConnect }: Pick<Connection, 'crossConnect'>): Sender | undefined {
  const sides: readonly Side[] = ['client', 'endpoint'];
  return sides
    .flatMap((side) => {
      const port = crossConnect[side];
      return port && traitsOf(port.type).hasDevice ? [{ side, port }] : [];
    })
    .at(0);
}

/** @throws NsmError `dataplane` where no pod of this node has a device to send by. */
export function requireSender(connection: Pick<Connection, 'crossConnect' | 'role'>): Sender {
  const sender = senderOf(connection);
  if (sender) return sender;
  const { client, endpoint } = connection.crossConnect;
  const [side, port] = client ? ['client', client] : ['endpoint', endpoint];
  throw new NsmError(
    'dataplane',
    `the ${side} is on a ${interfaceWords[port?.type ?? 0]} interface, shared memory from which nobody but its application sends; ` +
      (connection.role === 'LOCAL'
        ? 'so is the other side: ask the applications'
        : `run this on the other node, "nsm capture" works on both`),
  );
}

/** @throws NsmError `dataplane` where there is no device to send by. */
export async function probeFrom(
  forwarder: Forwarder,
  { side, port }: Sender,
  { crossConnect }: Pick<Connection, 'crossConnect'>,
  how: Pick<fw.ProbeRequest, 'timeoutMs' | 'method' | 'payload'>,
): Promise<fw.ProbeReply> {
  const { client: _, endpoint: __, ...rest } = crossConnect;
  return await forwarder.probe({ crossConnect: { ...rest, [side]: port }, ...how });
}

/** Bytes of the headers of an ICMP echo from here, IP's included. */
export function echoHeaders({ port: { peerAddresses } }: Sender): number {
  return peerAddresses[0]?.includes(':') ? 48 : 28;
}
