// Packets of every length, from the bare header to the largest that a connection takes.
import { thorough } from '../reliability/config.js';
import { faultsOf } from './delivery.js';
import { contentOf, experiment, headerSize, ipPacket } from './ip-packets.js';
import { ethernet } from './link-frames.js';
import type { Direction, Version } from './pod-end.js';

/** All that are short, where padding and room for headers matter; some between; those next to the MTU. */
const lengthsOf = (version: Version, mtu: number): number[] => {
  const shortest = headerSize[version];
  return Array.from({ length: mtu - shortest + 1 }, (_, index) => shortest + index).filter(
    (length) => thorough || length <= 140 || length % 61 === 0 || length >= mtu - 9,
  );
};

/** Of raw IP packets, each as it left. */
export const lengthFaults = async (
  { what, from, to, mtu }: Direction,
  version: Version,
): Promise<string[]> => {
  const packet = (length: number): Buffer =>
    ipPacket({
      from: from.addresses[version],
      to: to.addresses[version],
      protocol: experiment,
      id: length,
      payload: contentOf(length, length - headerSize[version]),
    });
  const packets = new Map(lengthsOf(version, mtu).map((length) => [length, packet(length)]));
  // A raw IPv6 socket does not get the header.
  const seen = (bytes: Buffer): Buffer => bytes.subarray(version === 4 ? 0 : headerSize[6]);
  using sender = from.frames();
  using receiver = to.protocol(version, experiment);
  return await faultsOf(`${what}: IPv${version} of length`, {
    expected: new Map([...packets].map(([length, bytes]) => [length, seen(bytes)])),
    send: (length) => sender.send(ethernet(from, to, version, packets.get(length)!)),
    receive: () => receiver.received(),
  });
};

/** Of short UDP datagrams as the pod's kernel sends them: their checksum is left to the device. */
export const datagramFaults = async (
  { what, from, to }: Omit<Direction, 'mtu'>,
  version: Version,
): Promise<string[]> => {
  const port = 7001;
  const expected = new Map(Array.from({ length: 64 }, (_, length) => [length, contentOf(length, length)]));
  using receiver = to.udp(version, port);
  using sender = from.udp(version, 0).connect(to.addresses[version], port);
  return await faultsOf(`${what}: UDP over IPv${version} of payload`, {
    expected,
    send: (length) => sender.send(expected.get(length)!),
    receive: () => receiver.received(),
  });
};
