// Datagrams that the sender leaves to others to cut, as QUIC and WireGuard do.
import { faultsOf } from './delivery.js';
import { checksumAt, contentOf, datagram, headerSize, ipPacket, udp } from './ip-packets.js';
import { ethernet, linkHeader } from './link-frames.js';
import type { Direction, PodEnd, Version } from './pod-end.js';

const port = 7002;
const udpHeader = 8;
/** Bytes of payload that the largest datagram has room for, uncut. */
const limit = 65_000;

/** What is sent: datagrams of `size` bytes, `atOnce` in one piece, of which the last is a byte shorter. */
interface Plan {
  readonly size: number;
  readonly count: number;
  readonly atOnce: number;
}

/** As QUIC cuts; as large as can be; and so short that segments are shorter than the shortest Ethernet frame. */
const plansOf = (version: Version, mtu: number): Plan[] => {
  const largest = mtu - headerSize[version] - udpHeader;
  const atOnce = Math.min(20, Math.floor(limit / largest));
  return [
    { size: 1200, count: 400, atOnce: 20 },
    { size: largest, count: 4 * atOnce, atOnce },
    ...[4, 17, 18, 40].map((size) => ({ size, count: 120, atOnce: 60 })),
  ];
};

type Piece = (datagrams: readonly Buffer[], size: number) => void;

const planFaults = async (
  what: string,
  to: PodEnd,
  version: Version,
  { size, count, atOnce }: Plan,
  sendUncut: Piece,
): Promise<string[]> => {
  const lengthOf = (number: number): number => (number % atOnce === atOnce - 1 ? size - 1 : size);
  const datagrams = Array.from({ length: count }, (_, number) => contentOf(number, lengthOf(number)));
  using receiver = to.udp(version, port);
  return await faultsOf(`${what} of ${size} over IPv${version}, datagrams`, {
    expected: new Map(datagrams.entries()),
    send: (number) => {
      if (number % atOnce === 0) sendUncut(datagrams.slice(number, number + atOnce), size);
    },
    receive: () => receiver.received(),
    window: 2 * atOnce,
  });
};

/** Those that one call of an application makes (UDP_SEGMENT). */
export const segmentFaults = async (
  { what, from, to, mtu }: Direction,
  version: Version,
): Promise<string[]> => {
  const faults: string[] = [];
  for (const plan of plansOf(version, mtu)) {
    using sender = from.udp(version, 0).connect(to.addresses[version], port).cutInto(plan.size);
    const send: Piece = (datagrams) => sender.send(Buffer.concat(datagrams));
    faults.push(...(await planFaults(`${what}: UDP_SEGMENT`, to, version, plan, send)));
  }
  return faults;
};

/** The same as a virtual machine sends them: frames with a `struct virtio_net_hdr`, which the kernel does not trust. */
export const virtualMachineFaults = async (
  { what, from, to, mtu }: Direction,
  version: Version,
): Promise<string[]> => {
  const [source, destination] = [from.addresses[version], to.addresses[version]];
  const start = linkHeader + headerSize[version];
  using sender = from.frames();
  const send: Piece = (datagrams, size) => {
    const data = Buffer.concat(datagrams);
    const payload = datagram({ from: source, to: destination, port, data, checksum: 'begun' });
    const packet = ipPacket({ from: source, to: destination, protocol: udp, payload });
    sender.send(ethernet(from, to, version, packet), {
      segments: { type: 'udp', size, headers: start + udpHeader },
      checksum: { start, offset: checksumAt.udp },
    });
  };
  const faults: string[] = [];
  for (const plan of plansOf(version, mtu))
    faults.push(...(await planFaults(`${what}: uncut frames`, to, version, plan, send)));
  return faults;
};
