// Offload switches of a device: checksums, segmentation, receive merging; by generic netlink (linux/ethtool_netlink.h).

import { EOPNOTSUPP } from '../libc/errno.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';
import type { Attributes } from '../protocol/attributes.js';
import { attributesOf, type Message, type MessageWriter } from '../protocol/message.js';
import { NetlinkSocket } from '../protocol/netlink-socket.js';

const NETLINK_GENERIC = 16;
const GENL_ID_CTRL = 16;
const GENL_HEADER_SIZE = 4;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const ETHTOOL_MSG_FEATURES_GET = 11;
const ETHTOOL_MSG_FEATURES_SET = 12;
const HEADER = { nest: 1, index: 1, flags: 3 } as const;
const ETHTOOL_FLAG_OMIT_REPLY = 2;
const FEATURES = { hardware: 2, wanted: 3, active: 4, fixed: 5 } as const;
const BITSET_BITS = 3;
const BITSET_BIT = 1;
const BIT = { name: 2, value: 3 } as const;

/** One switch. */
export interface Feature {
  readonly active: boolean;
  /** Asked for, though it may be off because of another one. */
  readonly wanted: boolean;
  /** False: the feature cannot be changed on this device. */
  readonly changeable: boolean;
}

/** The groups that ethtool(8) knows by a short name, and the kernel's names of their members. */
const OFFLOADS = {
  'rx-checksum': ['rx-checksum'],
  'tx-checksum': [
    'tx-checksum-ipv4',
    'tx-checksum-ip-generic',
    'tx-checksum-ipv6',
    'tx-checksum-fcoe-crc',
    'tx-checksum-sctp',
  ],
  'scatter-gather': ['tx-scatter-gather', 'tx-scatter-gather-fraglist'],
  tso: [
    'tx-tcp-segmentation',
    'tx-tcp-ecn-segmentation',
    'tx-tcp-mangleid-segmentation',
    'tx-tcp6-segmentation',
    'tx-tcp-accecn-segmentation',
  ],
  gso: ['tx-generic-segmentation'],
  gro: ['rx-gro'],
  lro: ['rx-lro'],
  'udp-segmentation': ['tx-udp-segmentation'],
} as const;

/** A group of switches by its short name. */
export type Offload = keyof typeof OFFLOADS;

/** One generic netlink socket for the switches of the devices of one namespace. Needs Linux 5.6 with ETHTOOL_NETLINK. */
export class EthtoolSocket implements Disposable {
  readonly #socket: NetlinkSocket;
  readonly #family: number;

  private constructor(socket: NetlinkSocket, family: number) {
    this.#socket = socket;
    this.#family = family;
  }

  /** Opens a socket in `namespace`, or where the calling thread is. @throws NetlinkError ENOENT: the kernel lacks it */
  static open(namespace?: NetworkNamespace): EthtoolSocket {
    const socket = NetlinkSocket.open(NETLINK_GENERIC, namespace);
    try {
      return new EthtoolSocket(socket, familyOf(socket));
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** All switches of the device with that index, by the kernel's names (`ethtool -k`). @throws NetlinkError ENODEV */
  features(device: number): Map<string, Feature> {
    return this.#socket.get(
      { type: this.#family, operation: 'get features', object: `of #${device}` },
      (writer) => encodeHeader(writer, ETHTOOL_MSG_FEATURES_GET, device, 0),
      decodeFeatures,
    );
  }

  /**
   * Turns switches on or off, by the kernel's names; those not given stay. Some depend on others: turning off
   * `tx-scatter-gather` turns segmentation off too.
   * @throws NetlinkError EOPNOTSUPP: no such switch, or it is fixed (the others are set nevertheless)
   */
  setFeatures(device: number, wanted: Readonly<Record<string, boolean>>): void {
    this.trySetFeatures(device, wanted);
    const features = this.features(device);
    const refused = Object.keys(wanted).filter((name) => features.get(name)?.wanted !== wanted[name]);
    const fixed = refused.filter((name) => features.get(name)?.active !== wanted[name]);
    if (fixed.length > 0)
      throw this.#socket.error(
        EOPNOTSUPP,
        { operation: 'set features', object: `of #${device}` },
        { text: `fixed: ${fixed.join(', ')}` },
      );
  }

  /** As `setFeatures`, and says nothing of switches that are fixed, which the kernel passes over. */
  trySetFeatures(device: number, wanted: Readonly<Record<string, boolean>>): void {
    const request = { type: this.#family, operation: 'set features', object: `of #${device}` };
    this.#socket.request(request, (writer) => {
      encodeHeader(writer, ETHTOOL_MSG_FEATURES_SET, device, ETHTOOL_FLAG_OMIT_REPLY);
      writer.nest(FEATURES.wanted, () =>
        writer.nest(BITSET_BITS, () => {
          for (const [name, on] of Object.entries(wanted))
            writer.nest(BITSET_BIT, () => {
              writer.string(BIT.name, name);
              if (on) writer.flag(BIT.value);
            });
        }),
      );
    });
  }

  /** Whether any switch of each group is on. */
  offloads(device: number): Record<Offload, boolean> {
    const features = this.features(device);
    const groups = Object.entries(OFFLOADS).map(([group, names]) => [
      group,
      names.some((name) => features.get(name)?.active === true),
    ]);
    return Object.fromEntries(groups);
  }

  /** Turns groups on or off: every switch of a group that this device can change. */
  setOffloads(device: number, wanted: Partial<Readonly<Record<Offload, boolean>>>): void {
    const features = this.features(device);
    const changes: Record<string, boolean> = {};
    for (const [group, on] of Object.entries(wanted))
      for (const name of OFFLOADS[group as Offload])
        if (features.get(name)?.changeable === true) changes[name] = on;
    if (Object.keys(changes).length > 0) this.setFeatures(device, changes);
  }

  /** Lets go of the socket and of its namespace. Harmless when repeated. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const genericHeader = (writer: MessageWriter, command: number, version: number): void => {
  const at = writer.reserve(GENL_HEADER_SIZE);
  writer.bytes.writeUInt8(command, at);
  writer.bytes.writeUInt8(version, at + 1);
};

const encodeHeader = (writer: MessageWriter, command: number, device: number, flags: number): void => {
  genericHeader(writer, command, 1);
  writer.nest(HEADER.nest, () => {
    writer.u32(HEADER.index, device);
    if (flags !== 0) writer.u32(HEADER.flags, flags);
  });
};

// The number is given out when the kernel module registers: it can differ from machine to machine, not within one.
let knownFamily: number | undefined;
const familyOf = (socket: NetlinkSocket): number => {
  knownFamily ??= socket.get(
    { type: GENL_ID_CTRL, operation: 'find generic netlink family', object: 'ethtool' },
    (writer) => {
      genericHeader(writer, CTRL_CMD_GETFAMILY, 1);
      writer.string(CTRL_ATTR_FAMILY_NAME, 'ethtool');
    },
    (message) => attributesOf(message, GENL_HEADER_SIZE).u16(CTRL_ATTR_FAMILY_ID) ?? 0,
  );
  return knownFamily;
};

// Names in a bit set; `onlyOn` leaves out those that are listed as off.
const namesIn = (attributes: Attributes, type: number, onlyOn: boolean): Set<string> => {
  const names = new Set<string>();
  const bits = attributes.nested(type)?.nested(BITSET_BITS);
  if (bits === undefined) return names;
  for (const value of bits) {
    const bit = bits.inside(value);
    const name = bit.string(BIT.name);
    if (name !== undefined && name !== '' && (!onlyOn || bit.has(BIT.value))) names.add(name);
  }
  return names;
};

/** Reads the answer to ETHTOOL_MSG_FEATURES_GET. @throws DecodeError */
export const decodeFeatures = (message: Message): Map<string, Feature> => {
  const attributes = attributesOf(message, GENL_HEADER_SIZE);
  // The hardware set lists every switch there is; the other sets only those that are in them.
  const changeable = namesIn(attributes, FEATURES.hardware, true);
  const wanted = namesIn(attributes, FEATURES.wanted, false);
  const active = namesIn(attributes, FEATURES.active, false);
  const fixed = namesIn(attributes, FEATURES.fixed, false);
  return new Map(
    [...namesIn(attributes, FEATURES.hardware, false)].map((name) => [
      name,
      {
        active: active.has(name),
        wanted: wanted.has(name),
        changeable: changeable.has(name) && !fixed.has(name),
      },
    ]),
  );
};
