import { TunnelType } from '@nsm/api';
import { expect, it } from 'vitest';
import { frameText, tunnelFrameText } from './frame-text.js';

const frame = (...parts: string[]): Uint8Array => Buffer.from(['00'.repeat(12), ...parts].join(''), 'hex');
const ipv4 = (protocol: string, payload: string, fragment = '0000'): string =>
  `0800${'45000000'}0000${fragment}40${protocol}0000${'0a000001'}${'0a000002'}${payload}`;

it.each([
  ['ICMP', ipv4('01', '0800'), '10.0.0.1 > 10.0.0.2 ICMP echo request'],
  ['TCP with ports', ipv4('06', '1f900050'), '10.0.0.1:8080 > 10.0.0.2:80 TCP'],
  ['a later fragment', ipv4('11', '1f900050', '2001'), '10.0.0.1 > 10.0.0.2 UDP fragment'],
  ['a tag', `8100000a${ipv4('2f', '')}`, '10.0.0.1 > 10.0.0.2 GRE'],
  [
    'ARP',
    `0806000108000604${'0001'}${'00'.repeat(6)}0a000001${'00'.repeat(6)}0a000002`,
    'ARP who has 10.0.0.2, asks 10.0.0.1',
  ],
  [
    'IPv6',
    `86dd600000000008${'3aff'}${'fd'.padEnd(31, '0')}1${'fd'.padEnd(31, '0')}2${'87'}`,
    'fd00::1 > fd00::2 ICMPv6 neighbour solicitation',
  ],
  ['something else', '1234', 'EtherType 0x1234'],
  ['half a packet', '080045', 'cut short'],
])('says of %s what it is', (_, bytes, text) => expect(frameText(frame(bytes))).toBe(text));

const inner = frame(ipv4('01', '0800'));
const carried = Buffer.from(inner).toString('hex');
const ip = (protocol: string, payload: string): string =>
  `0800${'4500000000000000'}40${protocol}0000${'c0000201'}${'c0000202'}${payload}`;

it.each([
  ['VXLAN', ip('11', `c00012b5${'00'.repeat(12)}`), '192.0.2.1:49152 > 192.0.2.2:4789 UDP, VXLAN 7: '],
  [
    'VXLAN_GRE',
    ip('11', `c00012b6${'00'.repeat(12)}`),
    '192.0.2.1:49152 > 192.0.2.2:4790 UDP, VXLAN_GRE 7: ',
  ],
  ['GRE', ip('2f', '00'.repeat(8)), '192.0.2.1 > 192.0.2.2 GRE, GRE 7: '],
  ['MPLSoGRE', ip('2f', '00'.repeat(8)), '192.0.2.1 > 192.0.2.2 GRE, MPLSoGRE 7: '],
  ['MPLSoUDP', ip('11', `c00019eb${'00'.repeat(8)}`), '192.0.2.1:49152 > 192.0.2.2:6635 UDP, MPLSoUDP 7: '],
  ['MPLSoEthernet', `8847${'00'.repeat(4)}`, 'MPLS, MPLSoEthernet 7: '],
] as const)('says what is in a frame of %s', (name, header, outside) =>
  expect(tunnelFrameText(frame(header, carried), { type: TunnelType[name], identifier: 7 })).toBe(
    `${outside}10.0.0.1 > 10.0.0.2 ICMP echo request`,
  ),
);

it('says what a frame of a tunnel is that is cut short', () =>
  expect(tunnelFrameText(Buffer.alloc(12), { type: TunnelType.VXLAN, identifier: 7 })).toBe('cut short'));
