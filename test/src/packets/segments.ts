// Datagrams that the sender leaves to others to cut, as QUIC and WireGuard do.
import { faultsOf } from './delivery.js';
import { checksumAt, contentOf, datagram, headerSize, ipPacket, udp } from './ip-packets.js';
import { ethernet, linkHeader } from './link-frames.js';
import type { Direction, Version } from './pod-end.js';

const segment = { count: 400, size: 1200, atOnce: 20 };
const port = 7002;
const udpHeader = 8;

const datagrams = Array.from({ length: segment.count }, (_, number) => contentOf(number, segment.size));
const expected = new Map(datagrams.entries());
/** The datagrams of one call begin with that. */
const together = (number: number): Buffer => Buffer.concat(datagrams.slice(number, number + segment.atOnce));

/** 400 datagrams of 1200 bytes, 20 with each call (UDP_SEGMENT). */
export const segmentFaults = async (
  { what, from, to }: Omit<Direction, 'mtu'>,
  version: Version,
): Promise<string[]> => {
  using receiver = to.udp(version, port);
  using sender = from.udp(version, 0).connect(to.addresses[version], port).cutInto(segment.size);
  return await faultsOf(`${what}: UDP_SEGMENT over IPv${version}, datagrams`, {
    expected,
    send: (number) => {
      if (number % segment.atOnce === 0) sender.send(together(number));
    },
    receive: () => receiver.received(),
    window: 2 * segment.atOnce,
  });
};

/** The same as a virtual machine sends them: frames with a `struct virtio_net_hdr`, which the kernel does not trust. */
export const virtualMachineFaults = async (
  { what, from, to }: Direction,
  version: Version,
): Promise<string[]> => {
  const [source, destination] = [from.addresses[version], to.addresses[version]];
  const start = linkHeader + headerSize[version];
  const offload = {
    segments: { type: 'udp', size: segment.size, headers: start + udpHeader },
    checksum: { start, offset: checksumAt.udp },
  } as const;
  const frame = (number: number): Buffer => {
    const data = together(number);
    const payload = datagram({ from: source, to: destination, port, data, checksum: 'begun' });
    return ethernet(from, to, version, ipPacket({ from: source, to: destination, protocol: udp, payload }));
  };
  using receiver = to.udp(version, port);
  using sender = from.frames();
  return await faultsOf(`${what}: uncut frames of UDP over IPv${version}, datagrams`, {
    expected,
    send: (number) => {
      if (number % segment.atOnce === 0) sender.send(frame(number), offload);
    },
    receive: () => receiver.received(),
    window: 2 * segment.atOnce,
  });
};
