// Frames of every make: tagged, to many, not IP at all, with checksums that are none, wrong, or left to the adapter.
import type { Offload, SeenFrame } from '@nsm/testkit';
import { faultsOf } from './delivery.js';
import {
  type Checksum,
  checksumAt,
  contentOf,
  datagram,
  headerSize,
  ipPacket,
  sumOf,
  tcp,
  tcpSegment,
  udp,
} from './ip-packets.js';
import { etherTypes, frameOf, linkHeader } from './link-frames.js';
import { type Direction, type Version, versions } from './pod-end.js';

/** Source of all of them, by which they are known among what the pods' kernels say. */
const mac = '02:00:5e:10:00:09';
const everybody = 'ff:ff:ff:ff:ff:ff';
const port = 5353;
/** EtherTypes: for experiments (IEEE 802), and of tags (IEEE 802.1Q, 802.1ad). */
const [experimental, arp, tag, serviceTag] = [0x88b5, 0x0806, 0x8100, 0x88a8];
/** Shorter frames may be padded with zeros (IEEE 802.3). */
const shortest = 60;

/** A frame to send, and how it has to arrive where that is not the same. */
interface Make {
  readonly frame: Buffer;
  readonly offload?: Offload;
  readonly arrives?: Buffer;
}

/** Every make from one pod to another. */
export const frameFaults = async (direction: Direction): Promise<string[]> => {
  const { what, from, to } = direction;
  const makes = makesOf(direction);
  using receiver = to.frames();
  using sender = from.frames();
  const source = Buffer.from(mac.replaceAll(':', ''), 'hex');
  return await faultsOf(`${what}: frames`, {
    expected: new Map([...makes].map(([name, { frame, arrives = frame }]) => [name, padded(arrives)])),
    send: (name) => {
      const { frame, offload } = makes.get(name)!;
      sender.send(frame, offload);
    },
    receive: () =>
      receiver
        .seen()
        .filter(({ frame }) => frame.subarray(6, 12).equals(source))
        .map((seen) => padded(finished(seen))),
  });
};

const makesOf = ({ from, to, mtu }: Direction): ReadonlyMap<string, Make> => {
  const makes = new Map<string, Make>();
  const add = (name: string, frame: Buffer, more: Omit<Make, 'frame'> = {}): void => {
    makes.set(name, { frame, ...more });
  };
  for (let length = 1; length <= 60; length++)
    add(`EtherType 0x88b5 of ${length}`, frameOf(to.mac, mac, experimental, contentOf(length, length)));
  for (let length = 3; length <= 60; length++)
    add(`LLC of ${length}`, frameOf(to.mac, mac, length, contentOf(length + 100, length)));
  add('EtherType 0x88b5 of the MTU', frameOf(to.mac, mac, experimental, contentOf(mtu, mtu)));
  add('ARP', frameOf(everybody, mac, arp, contentOf(200, 28)));
  for (const version of versions) {
    const [source, target] = [from.addresses[version], to.addresses[version]];
    const type = etherTypes[version];
    const ip = (data: Buffer, checksum: Checksum, destination = target): Buffer =>
      ipPacket({
        from: source,
        to: destination,
        protocol: udp,
        payload: datagram({ from: source, to: destination, port, data, checksum }),
      });
    const fill = (bytes: number): Buffer => contentOf(bytes + version, mtu - bytes - headerSize[version] - 8);
    for (const [name, group, groupMac] of groupsOf[version])
      for (const length of [1, 4, 12, 17, 18, 40])
        add(
          `IPv${version} ${name} of ${length}`,
          frameOf(groupMac, mac, type, ip(contentOf(length, length), 'right', group)),
        );
    for (const length of [0, 3, 18, 64]) {
      const data = contentOf(300 + length, length);
      add(`IPv${version} tagged, of ${length}`, frameOf(to.mac, mac, type, ip(data, 'right'), [[tag, 77]]));
      add(
        `IPv${version} tagged twice, of ${length}`,
        frameOf(to.mac, mac, type, ip(data, 'right'), [
          [serviceTag, 5],
          [tag, 77],
        ]),
      );
      for (const checksum of ['none', 'wrong'] as const)
        add(
          `IPv${version} of ${length} with UDP checksum ${checksum}`,
          frameOf(to.mac, mac, type, ip(data, checksum)),
        );
    }
    add(`IPv${version} tagged, of the MTU`, frameOf(to.mac, mac, type, ip(fill(4), 'right'), [[tag, 77]]));
    for (const length of [0, 1, 5, 17, 18, 64, 500]) {
      const start = linkHeader + headerSize[version];
      for (const [name, protocol, segment] of [
        ['udp', udp, datagram],
        ['tcp', tcp, tcpSegment],
      ] as const) {
        const made = (checksum: Checksum): Buffer => {
          const data = contentOf(400 + length, length);
          const payload = segment({ from: source, to: target, port, data, checksum });
          return frameOf(to.mac, mac, type, ipPacket({ from: source, to: target, protocol, payload }));
        };
        const offload = { checksum: { start, offset: checksumAt[name] } };
        add(`IPv${version} ${name} of ${length}, checksum left to the adapter`, made('begun'), {
          offload,
          arrives: made('right'),
        });
      }
    }
  }
  return makes;
};

const groupsOf: Readonly<
  Record<Version, readonly (readonly [name: string, address: string, mac: string])[]>
> = {
  4: [
    ['mDNS', '224.0.0.251', '01:00:5e:00:00:fb'],
    ['broadcast', '255.255.255.255', everybody],
  ],
  6: [['mDNS', 'ff02::fb', '33:33:00:00:00:fb']],
};

/** As an adapter would have sent it. */
const finished = ({ frame, offload: { checksum } }: SeenFrame): Buffer => {
  if (!checksum) return frame;
  const sum = ~sumOf(frame.subarray(checksum.start)) & 0xffff;
  frame.writeUInt16BE(sum || 0xffff, checksum.start + checksum.offset);
  return frame;
};

const padded = (frame: Buffer): Buffer =>
  frame.length >= shortest ? frame : Buffer.concat([frame, Buffer.alloc(shortest - frame.length)]);
