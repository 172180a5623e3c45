// Requests about virtual functions byte for byte, as struct ifla_vf_* of linux/if_link.h lays them out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMac } from '../address/mac-address.js';
import { type Message, MessageWriter, messagesIn } from '../protocol/message.js';
import { encodeLinkChanges, encodeLinkHeader } from './link-encode.js';
import { decodeVirtualFunctions, encodeVfChanges, type VfChanges } from './virtual-functions.js';

const RTM_NEWLINK = 16;

const messageOf = (encode: (writer: MessageWriter) => void): Message => {
  const writer = new MessageWriter();
  const at = writer.start(RTM_NEWLINK, 0, 1);
  encode(writer);
  writer.finish(at);
  const [message] = messagesIn(writer.bytes, writer.length);
  return message!;
};

/** The attributes of a request on link 7, without netlink header and `struct ifinfomsg`, in hexadecimal. */
const bytesOf = (changes: VfChanges): string => {
  const { bytes, start, end } = messageOf((writer) =>
    encodeLinkChanges(writer, 7, { virtualFunctions: [changes] }),
  );
  return bytes.toString('hex', start + 16, end);
};

/** IFLA_VFINFO_LIST (22) with one IFLA_VF_INFO (1) around the attributes given. */
const listOf = (...attributes: readonly string[]): string => {
  const inner = attributes.join('').replaceAll(' ', '');
  const size = (extra: number): string => {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(inner.length / 2 + extra);
    return length.toString('hex');
  };
  return `${size(8)}1680${size(4)}0180${inner}`;
};

const cases: readonly [string, VfChanges, readonly string[]][] = [
  // struct ifla_vf_mac { __u32 vf; __u8 mac[32]; }
  [
    'hardware address',
    { index: 3, mac: '02:11:22:33:44:55' },
    [`2800 0100 03000000 021122334455 ${'00'.repeat(26)}`],
  ],
  // struct ifla_vf_vlan { __u32 vf; __u32 vlan; __u32 qos; }
  ['VLAN', { index: 3, vlan: { id: 100, qos: 5 } }, ['1000 0200 03000000 64000000 05000000']],
  ['no VLAN', { index: 0, vlan: { id: 0 } }, ['1000 0200 00000000 00000000 00000000']],
  // struct ifla_vf_vlan_info { __u32 vf; __u32 vlan; __u32 qos; __be16 vlan_proto; }, padded
  [
    'VLAN of a provider',
    { index: 1, vlan: { id: 100, qos: 5, protocol: '802.1ad' } },
    ['1800 0c80 1400 0100 01000000 64000000 05000000 88a80000'],
  ],
  // struct ifla_vf_rate { __u32 vf; __u32 min_tx_rate; __u32 max_tx_rate; }
  ['rate', { index: 2, rate: { min: 100, max: 1000 } }, ['1000 0600 02000000 64000000 e8030000']],
  // struct ifla_vf_spoofchk { __u32 vf; __u32 setting; }
  ['spoof check', { index: 2, spoofCheck: true }, ['0c00 0400 02000000 01000000']],
  // struct ifla_vf_link_state { __u32 vf; __u32 link_state; }
  ['link state auto', { index: 2, linkState: 'auto' }, ['0c00 0500 02000000 00000000']],
  ['link state enable', { index: 2, linkState: 'enable' }, ['0c00 0500 02000000 01000000']],
  ['link state disable', { index: 2, linkState: 'disable' }, ['0c00 0500 02000000 02000000']],
  // struct ifla_vf_trust { __u32 vf; __u32 setting; }
  ['trust', { index: 2, trust: false }, ['0c00 0900 02000000 00000000']],
  [
    'everything',
    {
      index: 5,
      mac: '02:00:00:00:00:01',
      vlan: { id: 7 },
      rate: { min: 0, max: 50 },
      spoofCheck: false,
      linkState: 'enable',
      trust: true,
    },
    [
      `2800 0100 05000000 020000000001 ${'00'.repeat(26)}`,
      '1000 0200 05000000 07000000 00000000',
      '1000 0600 05000000 00000000 32000000',
      '0c00 0400 05000000 00000000',
      '0c00 0500 05000000 01000000',
      '0c00 0900 05000000 01000000',
    ],
  ],
];

describe('requests about virtual functions', () => {
  it.each(cases)('%s', (_, changes, attributes) => {
    expect(bytesOf(changes)).toBe(listOf(...attributes));
  });

  it.each([
    ['VLAN', { index: 0, vlan: { id: 4095 } }],
    ['priority', { index: 0, vlan: { id: 1, qos: 8 } }],
    ['hardware address', { index: 0, mac: 'no' }],
  ])('refuses a wrong %s', (_, changes) => {
    expect(() => bytesOf(changes)).toThrow();
  });
});

describe('answers about virtual functions', () => {
  // What rtnl_fill_vfinfo (net/core/rtnetlink.c) sends: both forms of the VLAN, and attributes of no interest here.
  const answer = (trust: string): Message =>
    messageOf((writer) => {
      encodeLinkHeader(writer, 7);
      const list = listOf(
        `2800 0100 04000000 021122334455 ${'00'.repeat(26)}`,
        '2400 0d00 ffffffffffff'.padEnd(72 + 2, '0'),
        '1000 0200 04000000 64000000 05000000',
        '1000 0600 04000000 64000000 e8030000',
        '0c00 0300 04000000 e8030000',
        '0c00 0400 04000000 01000000',
        '0c00 0500 04000000 02000000',
        '0c00 0700 04000000 00000000',
        `0c00 0900 04000000 ${trust}`,
        '1800 0c80 1400 0100 04000000 64000000 05000000 88a80000',
      );
      writer.bytes.write(list, writer.reserve(list.length / 2), 'hex');
    });

  it('are read', () => {
    expect(decodeVirtualFunctions(answer('01000000'))).toEqual([
      {
        index: 4,
        mac: '02:11:22:33:44:55',
        vlan: { id: 100, qos: 5, protocol: '802.1ad' },
        spoofCheck: true,
        trust: true,
        rate: { min: 100, max: 1000 },
        linkState: 'disable',
      },
    ]);
  });

  it('leave open what the driver does not know', () => {
    expect(decodeVirtualFunctions(answer('ffffffff'))).toMatchObject([{ trust: undefined }]);
  });

  it('give back what was asked for', () => {
    const u32 = fc.nat(0xffff_fffe);
    const changes = fc.record({
      index: fc.nat(255),
      mac: fc.uint8Array({ minLength: 6, maxLength: 6 }).map(formatMac),
      vlan: fc.record({
        id: fc.nat(4094),
        qos: fc.nat(7),
        protocol: fc.constantFrom('802.1Q' as const, '802.1ad' as const),
      }),
      spoofCheck: fc.boolean(),
      trust: fc.boolean(),
      rate: fc.record({ min: u32, max: u32 }),
      linkState: fc.constantFrom('auto' as const, 'enable' as const, 'disable' as const),
    });
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 4 }), (list) => {
        const message = messageOf((writer) => {
          encodeLinkHeader(writer, 7);
          encodeVfChanges(writer, list);
        });
        expect(decodeVirtualFunctions(message)).toEqual(list);
      }),
    );
  });
});
