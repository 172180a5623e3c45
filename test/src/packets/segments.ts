// Datagrams that the sender leaves to others to cut (UDP_SEGMENT), as QUIC and WireGuard do.
import { faultsOf } from './delivery.js';
import { contentOf } from './ip-packets.js';
import type { PodEnd, Version } from './pod-end.js';

const segment = { count: 400, size: 1200, atOnce: 20 };

/** Sends 400 datagrams of 1200 bytes, 20 with each call. */
export const segmentFaults = async (
  what: string,
  from: PodEnd,
  to: PodEnd,
  version: Version,
): Promise<string[]> => {
  const port = 7002;
  const datagrams = Array.from({ length: segment.count }, (_, number) => contentOf(number, segment.size));
  using receiver = to.udp(version, port);
  using sender = from.udp(version, 0).connect(to.addresses[version], port).cutInto(segment.size);
  return await faultsOf(`${what}, UDP_SEGMENT over IPv${version}, datagrams`, {
    expected: new Map(datagrams.entries()),
    send: (number) => {
      if (number % segment.atOnce === 0)
        sender.send(Buffer.concat(datagrams.slice(number, number + segment.atOnce)));
    },
    receive: () => receiver.received(),
    window: 2 * segment.atOnce,
  });
};
