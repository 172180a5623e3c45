// Datagrams in fragments of every cut, put together again by the receiver's kernel.
import { thorough } from '../reliability/config.js';
import { faultsOf } from './delivery.js';
import { contentOf, datagram, fragments, headerSize, udp } from './ip-packets.js';
import { ethernet } from './link-frames.js';
import type { Direction, Version } from './pod-end.js';

const port = 7003;
const udpHeader = 8;
const fragmentHeader = { 4: 0, 6: 8 } as const;

/**
 * Cut by the sender's kernel, which fills each packet: the last fragment has 1 to 64 bytes; and of one byte too many for one
 * packet, and the largest there is.
 */
export const overlongFaults = async (
  { what, from, to, mtu }: Direction,
  version: Version,
): Promise<string[]> => {
  const room = mtu - headerSize[version];
  const full = (room - fragmentHeader[version]) & ~7;
  const tails = Array.from({ length: 64 }, (_, index) => full - udpHeader + index + 1);
  const lengths = [...tails, room + 1 - udpHeader, 4 * full, 9000, 65_535 - headerSize[4] - udpHeader];
  const expected = new Map(
    lengths
      .filter((length) => length > room - udpHeader)
      .map((length) => [length, contentOf(length, length)]),
  );
  using receiver = to.udp(version, port);
  using sender = from.udp(version, 0).connect(to.addresses[version], port);
  return await faultsOf(`${what}: fragments by the kernel of UDP over IPv${version}, of payload`, {
    expected,
    send: (length) => sender.send(expected.get(length)!),
    receive: () => receiver.received(),
    window: 4,
  });
};

/** Cut by hand in two, at every place, sent in order and the other way round. */
export const cutFaults = async ({ what, from, to }: Direction, version: Version): Promise<string[]> => {
  const payload = 8 * (thorough ? 128 : 16) - 3;
  const [source, destination] = [from.addresses[version], to.addresses[version]];
  const expected = new Map<number, Buffer>();
  const packets = new Map<number, Buffer[]>();
  for (let cut = 8; cut < payload + udpHeader; cut += 8)
    for (const order of [1, -1]) {
      const data = contentOf(order * cut + 5000, payload);
      const spec = { from: source, to: destination, protocol: udp, id: 5000 + order * cut };
      const bytes = datagram({ from: source, to: destination, port, data });
      const parts = fragments({ ...spec, payload: bytes }, cut);
      expected.set(order * cut, data);
      packets.set(order * cut, order === 1 ? parts : parts.toReversed());
    }
  using receiver = to.udp(version, port);
  using sender = from.frames();
  return await faultsOf(`${what}: IPv${version} fragments cut at (negative: the last first)`, {
    expected,
    send: (cut) => {
      for (const part of packets.get(cut)!) sender.send(ethernet(from, to, version, part));
    },
    receive: () => receiver.received(),
    window: 16,
  });
};
