// Packets that are sent to be followed: how they are known on their way, and what they are where they are seen.
import { encodeFilter, type FilterInstruction } from '@nsm/netlink';

// BPF_LD|BPF_W|BPF_ABS and so on, linux/bpf_common.h.
const loadWord = 0x20;
const loadHalf = 0x28;
const loadByte = 0x30;
const ifEqual = 0x15;
const give = 0x06;

const [arp, ipv6] = [0x0806, 0x86dd];
const icmpv6 = 58;
/** Bytes. */
const icmpHeader = 8;
/** Neighbour solicitation and advertisement, RFC 4861. */
const discovery = [135, 136];
/** Bytes of Ethernet, IP and ICMP, behind which an echo's payload begins; with a packet of IP and ICMP that an error quotes. */
const payloadAt = {
  echo: [14 + 20 + 8, 14 + 40 + 8],
  quoted: [14 + 20 + 8 + 20 + 8, 14 + 40 + 8 + 40 + 8],
} as const;

/** Passes echo packets whose payload begins with one of the marks, errors about them, ARP, and neighbour discovery. @param marks whose first 4 bytes are the same. */
export function traceFilter([mark]: readonly Buffer[]): Buffer {
  const word = mark?.readUInt32BE(0) ?? 0;
  const places = [...payloadAt.echo, ...payloadAt.quoted];
  const after = 2 * places.length;
  const program: FilterInstruction[] = [
    [loadHalf, 0, 0, 12],
    // To the end, past 7 of discovery and 2 of each place.
    [ifEqual, 7 + after, 0, arp],
    [ifEqual, 0, 5, ipv6],
    [loadByte, 0, 0, 14 + 6],
    [ifEqual, 0, 3, icmpv6],
    [loadByte, 0, 0, 14 + 40],
    [ifEqual, 2 + after, 0, discovery[0] ?? 0],
    [ifEqual, 1 + after, 0, discovery[1] ?? 0],
    // What is not there to be loaded ends the program: the nearer places come first.
    ...places.flatMap((at, index): FilterInstruction[] => [
      [loadWord, 0, 0, at],
      [ifEqual, 2 * (places.length - index - 1) + 1, 0, word],
    ]),
    [give, 0, 0, 0],
    [give, 0, 0, 0xffff_ffff],
  ];
  return encodeFilter(program);
}

/** A packet that was seen. */
export interface Recognised {
  /** For people. */
  readonly what: string;
  readonly answer: boolean;
  /** Index of the packet's mark; undefined for address resolution. */
  readonly mark?: number;
  /** An ICMP error about a packet with the mark. */
  readonly isError?: true;
}

/** Undefined where it is none of those that are followed. @param data of a frame, within whatever headers of a tunnel. */
export function recognise(data: Uint8Array, marks: readonly Buffer[]): Recognised | undefined {
  const frame = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  for (const [mark, bytes] of marks.entries()) {
    const at = frame.indexOf(bytes) - icmpHeader;
    if (at < 0) continue;
    const error = errorAbout(frame, at);
    if (error !== undefined) return { what: `ICMP ${error}`, answer: true, mark, isError: true };
    const answer = frame[at] === 0 || frame[at] === 129;
    return { what: `ICMP echo ${answer ? 'reply' : 'request'}`, answer, mark };
  }
  return resolutionIn(frame);
}

/** Types of ICMP and ICMPv6 that quote a packet which does not get on, RFC 792 and 4443. */
const errors: Readonly<Record<4 | 6, Readonly<Record<number, string>>>> = {
  4: { 3: 'unreachable, or too big', 11: 'time exceeded' },
  6: { 1: 'unreachable', 2: 'too big', 3: 'time exceeded' },
};

/** What is said of an echo that a packet quotes; undefined when it is the echo itself. @param at where the header of the echo begins. */
function errorAbout(frame: Buffer, at: number): string | undefined {
  for (const [version, header, protocolAt, protocol] of [
    [4, 20, 9, 1],
    [6, 40, 6, icmpv6],
  ] as const) {
    const error = at - header - icmpHeader;
    const packet = error - header;
    const isIcmp = (frame[packet] ?? 0) >> 4 === version && frame[packet + protocolAt] === protocol;
    if (packet >= 14 && isIcmp) return errors[version][frame[error] ?? 0];
  }
  return undefined;
}

function resolutionIn(frame: Buffer): Recognised | undefined {
  // Hardware Ethernet, protocol IPv4, their sizes: what every ARP packet has behind its EtherType, RFC 826.
  const at = frame.indexOf(Buffer.from([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0]));
  const operation = at < 0 ? undefined : frame[at + 9];
  if (operation === 1 || operation === 2)
    return { what: operation === 1 ? 'ARP request' : 'ARP reply', answer: operation === 2 };
  const next = frame.lastIndexOf(Buffer.from([icmpv6, 255]));
  const type = next < 0 ? undefined : frame[next + 34];
  if (type !== undefined && discovery.includes(type)) {
    const answer = type === discovery[1];
    return { what: `neighbour ${answer ? 'advertisement' : 'solicitation'}`, answer };
  }
  return undefined;
}
