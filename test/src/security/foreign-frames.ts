// Frames that a pod may send, and frames by which it would pass for another, one of each kind.
import { IpPrefix, parseMac } from '@nsm/netlink';
import { datagram, ipPacket, udp } from '../packets/ip-packets.js';
import { etherTypes, frameOf } from '../packets/link-frames.js';
import type { PodEnd, Version } from '../packets/pod-end.js';

const arp = 0x0806;
const everybody = 'ff:ff:ff:ff:ff:ff';
const icmpv6 = 58;
const hopByHop = 0;
/** Of somebody else. */
const other = {
  mac: '02:aa:aa:aa:aa:aa',
  4: '198.51.100.7',
  6: '2001:db8::7',
  link: 'fe80::aa:aaff:feaa:aaaa',
};

/** What stands at the end of a frame, by which it is known. */
export const markOf = (name: string): Buffer => Buffer.from(`mark of ${name}.`);

export interface Frames {
  readonly own: ReadonlyMap<string, Buffer>;
  readonly foreign: ReadonlyMap<string, Buffer>;
}

export const framesOf = (from: PodEnd, to: PodEnd): Frames => {
  const own = new Map<string, Buffer>();
  const foreign = new Map<string, Buffer>();
  const link = linkLocal(from.mac);
  const put = (map: Map<string, Buffer>, name: string, frame: Buffer): void => {
    map.set(name, Buffer.concat([frame, Buffer.alloc(Math.max(80 - frame.length, 0)), markOf(name)]));
  };
  const ip = (version: Version, packet: Buffer, mac = from.mac, tags: [number, number][] = []): Buffer =>
    frameOf(to.mac, mac, etherTypes[version], packet, tags);
  const datagramOf = (version: Version, source: string, fragment?: number): Buffer => {
    const target = to.addresses[version];
    const payload = datagram({ from: source, to: target, port: 9, data: Buffer.alloc(8), checksum: 'none' });
    return ipPacket({
      from: source,
      to: target,
      protocol: udp,
      payload,
      ...(fragment === undefined ? {} : { fragment }),
    });
  };
  const icmp = (source: string, message: Buffer, headers = Buffer.alloc(0), next = icmpv6): Buffer =>
    ipPacket({
      from: source,
      to: to.addresses[6],
      protocol: next,
      payload: Buffer.concat([headers, message]),
    });
  const options = Buffer.from([icmpv6, 0, 1, 4, 0, 0, 0, 0]);

  for (const version of [4, 6] as const) {
    put(own, `IPv${version}`, ip(version, datagramOf(version, from.addresses[version])));
    put(foreign, `IPv${version} of another`, ip(version, datagramOf(version, other[version])));
    put(
      foreign,
      `IPv${version} from another's MAC`,
      ip(version, datagramOf(version, from.addresses[version]), other.mac),
    );
    put(foreign, `IPv${version} of the receiver`, ip(version, datagramOf(version, to.addresses[version])));
    put(
      foreign,
      `IPv${version} of another in a VLAN`,
      ip(version, datagramOf(version, other[version]), from.mac, [[0x8100, 7]]),
    );
    put(
      foreign,
      `IPv${version} of another in two VLANs`,
      ip(version, datagramOf(version, other[version]), from.mac, [
        [0x88a8, 7],
        [0x8100, 8],
      ]),
    );
  }
  put(own, 'a later fragment', ip(4, datagramOf(4, from.addresses[4], 0x0004)));
  put(foreign, 'a later fragment of another', ip(4, datagramOf(4, other[4], 0x0004)));
  put(foreign, 'IPv4 of nobody', ip(4, datagramOf(4, '0.0.0.0')));
  put(foreign, 'IPv6 of nobody', ip(6, datagramOf(6, '::')));

  const question = (mac: string, address: string): Buffer =>
    frameOf(everybody, from.mac, arp, arpOf(mac, address, to.addresses[4]));
  put(own, 'ARP', question(from.mac, from.addresses[4]));
  put(own, 'ARP that asks whether an address is free', question(from.mac, '0.0.0.0'));
  put(foreign, 'ARP of another address', question(from.mac, other[4]));
  put(foreign, 'ARP of another MAC', question(other.mac, from.addresses[4]));

  const solicitation = (target: string, option: Buffer): Buffer => discovery(135, target, option);
  const advertisement = (target: string, option: Buffer): Buffer => discovery(136, target, option);
  const [source, said] = [macOption(1, from.mac), macOption(2, from.mac)];
  const none = Buffer.alloc(0);
  put(own, 'IPv6, link-local', ip(6, datagramOf(6, link)));
  put(own, 'a solicitation', ip(6, icmp(link, solicitation(to.addresses[6], source))));
  put(own, 'duplicate address detection', ip(6, icmp('::', solicitation(from.addresses[6], none))));
  put(own, 'an advertisement', ip(6, icmp(from.addresses[6], advertisement(from.addresses[6], said))));
  put(
    own,
    'an advertisement behind options',
    ip(6, icmp(link, advertisement(link, said), options, hopByHop)),
  );
  // By these the kernel of the other pod would give itself addresses and routes.
  const router = Buffer.concat([Buffer.from('8600000040080708', 'hex'), Buffer.alloc(8), source]);
  put(foreign, 'a router advertisement', ip(6, icmp(link, router)));
  put(foreign, 'a router advertisement behind options', ip(6, icmp(link, router, options, hopByHop)));
  put(foreign, 'a redirect', ip(6, icmp(link, discovery(137, to.addresses[6], Buffer.alloc(16)))));
  put(foreign, 'IPv6, link-local of another', ip(6, datagramOf(6, other.link)));
  put(
    foreign,
    'a solicitation by another MAC',
    ip(6, icmp(link, solicitation(to.addresses[6], macOption(1, other.mac)))),
  );
  put(foreign, "duplicate address detection of another's", ip(6, icmp('::', solicitation(other[6], none))));
  put(foreign, "an advertisement of another's address", ip(6, icmp(link, advertisement(other[6], said))));
  put(
    foreign,
    "an advertisement of another's link-local address",
    ip(6, icmp(link, advertisement(other.link, said))),
  );
  put(
    foreign,
    'an advertisement of another MAC',
    ip(6, icmp(link, advertisement(link, macOption(2, other.mac)))),
  );
  put(
    foreign,
    'an advertisement with the MAC of another behind its own',
    ip(6, icmp(link, advertisement(link, Buffer.concat([said, macOption(2, other.mac)])))),
  );
  put(
    foreign,
    "an advertisement of another's behind options",
    ip(6, icmp(link, advertisement(other[6], said), options, hopByHop)),
  );
  const many = Buffer.concat([
    ...Array.from({ length: 6 }, () => Buffer.from([60, 0, 1, 4, 0, 0, 0, 0])),
    options,
  ]);
  put(
    foreign,
    "an advertisement of another's behind many headers",
    ip(6, icmp(link, advertisement(other[6], said), many, hopByHop)),
  );
  return { own, foreign };
};

/** RFC 826, a question. */
const arpOf = (mac: string, address: string, target: string): Buffer =>
  Buffer.concat([
    Buffer.from('0001080006040001', 'hex'),
    ...[parseMac(mac), IpPrefix.ofAddress(address).bytes, Buffer.alloc(6), IpPrefix.ofAddress(target).bytes],
  ]);

/** RFC 4861, 4.3 and 4.4; the checksum is left out. */
const discovery = (type: number, target: string, option: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, 0, 0, 0, 0x60, 0, 0, 0]), IpPrefix.ofAddress(target).bytes, option]);

/** RFC 4861, 4.6.1. */
const macOption = (type: number, mac: string): Buffer =>
  Buffer.concat([Buffer.from([type, 1]), parseMac(mac)]);

/** Modified EUI-64, RFC 4291, appendix A. */
const linkLocal = (mac: string): string => {
  const bytes = [...parseMac(mac)];
  bytes[0] = (bytes[0] ?? 0) ^ 2;
  const words = [...bytes.slice(0, 3), 0xff, 0xfe, ...bytes.slice(3)].map((byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  const groups = [0, 2, 4, 6].map((at) => `${words[at]}${words[at + 1]}`);
  return IpPrefix.ofAddress(`fe80::${groups.join(':')}`).address;
};

/** Frames by which an application on shared memory passes for nobody: it has no device, and the MAC of its own choice in each frame. */
const ofItsChoice: readonly string[] = [
  "IPv4 from another's MAC",
  "IPv6 from another's MAC",
  'IPv6, link-local of another',
  "an advertisement of another's link-local address",
];

/** What such an application may send, and what it may not. */
export const ofAnyMac = ({ own, foreign }: Frames): Frames => {
  const isChosen = ([name]: readonly [string, Buffer]): boolean => ofItsChoice.includes(name);
  return {
    own: new Map([...own, ...[...foreign].filter(isChosen)]),
    foreign: new Map([...foreign].filter((frame) => !isChosen(frame))),
  };
};
