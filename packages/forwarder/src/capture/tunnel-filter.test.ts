import { create } from '@bufbuild/protobuf';
import { forwarder as fw, TunnelType } from '@nsm/api';
import { encodeFilter } from '@nsm/netlink';
import { describe, expect, it } from 'vitest';
import { nodeFilter, tunnelFilter } from './tunnel-filter.js';

/** What a program of classic BPF gives for a packet, as the kernel runs it (Documentation/networking/filter.rst). */
function run(program: Buffer, packet: Buffer, mark = 0): number {
  let [a, x] = [0, 0];
  for (let at = 0; ; at++) {
    const [code, yes, no] = [
      program.readUInt16LE(8 * at),
      program.readUInt8(8 * at + 2),
      program.readUInt8(8 * at + 3),
    ];
    const k = program.readUInt32LE(8 * at + 4);
    const from = (code & 0xe0) === 0x40 ? k + x : k;
    try {
      if (code === 0x20 && k === 0xffff_f014) a = mark;
      else if (code === 0x20 || code === 0x40) a = packet.readUInt32BE(from);
      else if (code === 0x28 || code === 0x48) a = packet.readUInt16BE(from);
      else if (code === 0x30) a = packet.readUInt8(from);
      else if (code === 0xb1) x = 4 * (packet.readUInt8(k) & 15);
      else if (code === 0x01) x = k;
      else if (code === 0x74) a >>>= k;
      else if (code === 0x05) at += k;
      else if (code === 0x15) at += a === k ? yes : no;
      else if (code === 0x06) return k;
      else throw new TypeError(`code ${code}`);
    } catch (error) {
      // What is read beyond the end of a packet ends the program.
      if (error instanceof RangeError) return 0;
      throw error;
    }
  }
}

const macs = ['020000000001', '020000000002'] as const;
const inner = `${'aa'.repeat(12)}0806${'00'.repeat(28)}`;
const hex4 = (value: number): string => value.toString(16).padStart(4, '0');

/** An underlay packet from one end to the other, in hexadecimal. */
function packet(version: 4 | 6, protocol: number, header: string, back = false): Buffer {
  const [from, to] = back ? [2, 1] : [1, 2];
  const address = (host: number): string =>
    version === 4 ? `0a09000${host}` : `fd0000090000000000000000000000${'0'}${host}`;
  const proto = protocol.toString(16).padStart(2, '0');
  const ip =
    version === 4
      ? `450000000000400040${proto}0000${address(from)}${address(to)}`
      : `600000000000${proto}40${address(from)}${address(to)}`;
  return Buffer.from(
    `${macs[to - 1]}${macs[from - 1]}${version === 4 ? '0800' : '86dd'}${ip}${header}${inner}`,
    'hex',
  );
}

const identifier = 0x12345;
const vni = '01234500';
const label = '12345140';
const udp = (port: number): string => `c001${hex4(port)}00000000`;
const kinds: [string, TunnelType, number, (id: string) => string, string, string][] = [
  ['VXLAN', TunnelType.VXLAN, 17, (id) => `${udp(4789)}08000000${id}`, vni, '01234600'],
  ['VXLAN-GPE', TunnelType.VXLAN_GRE, 17, (id) => `${udp(4790)}0c000003${id}`, vni, '01234600'],
  ['GRE', TunnelType.GRE, 47, (id) => `20006558${id}`, '00012345', '00012346'],
  ['MPLSoGRE', TunnelType.MPLSoGRE, 47, (id) => `00008847${id}`, label, '12346140'],
  ['MPLSoUDP', TunnelType.MPLSoUDP, 17, (id) => `${udp(6635)}${id}`, label, '12346140'],
];

/** Passes ARP alone. */
const onlyArp = encodeFilter([
  [0x28, 0, 0, 12],
  [0x15, 0, 1, 0x0806],
  [0x06, 0, 0, 1],
  [0x06, 0, 0, 0],
]);

describe.each(kinds)('the filter of a tunnel: %s', (_, type, protocol, header, own, other) => {
  it.each([4, 6] as const)('passes its packets in both directions, over IPv%i, and no others', (version) => {
    const [local, remote] = version === 4 ? ['10.9.0.1', '10.9.0.2'] : ['fd00:9::1', 'fd00:9::2'];
    const tunnel = create(fw.TunnelEndSchema, { type, identifier, local, remote });
    const program = tunnelFilter(tunnel, undefined, new Uint8Array());
    const passes = (bytes: Buffer, by = program): boolean => run(by, bytes) > 0;
    expect(passes(packet(version, protocol, header(own)))).toBe(true);
    expect(passes(packet(version, protocol, header(own), true))).toBe(true);
    expect(passes(packet(version, protocol, header(other)))).toBe(false);
    expect(passes(packet(version, protocol === 17 ? 47 : 17, header(own)))).toBe(false);
    expect(passes(packet(version === 4 ? 6 : 4, protocol, header(own)))).toBe(false);
    const elsewhere = packet(version, protocol, header(own));
    elsewhere.writeUInt8(9, version === 4 ? 33 : 53);
    expect(passes(elsewhere)).toBe(false);
    // What was asked of the pod's packets is asked of those inside.
    const filtered = tunnelFilter(tunnel, undefined, onlyArp);
    const carried = packet(version, protocol, header(own));
    expect(passes(carried, filtered)).toBe(true);
    carried.writeUInt16BE(0x0800, carried.length - 30);
    expect(passes(carried, filtered)).toBe(false);
  });
});

it('the filter knows a tunnel without IP by label and neighbour', () => {
  const tunnel = create(fw.TunnelEndSchema, {
    type: TunnelType.MPLSoEthernet,
    identifier,
    local: '10.9.0.1',
  });
  const frame = (to: string, from: string, id = label): Buffer =>
    Buffer.from(`${to}${from}8847${id}${inner}`, 'hex');
  const program = tunnelFilter(tunnel, '02:00:00:00:00:02', onlyArp);
  expect(run(program, frame(macs[1], macs[0]))).toBe(1);
  expect(run(program, frame(macs[0], macs[1]))).toBe(1);
  expect(run(program, frame(macs[0], '020000000003'))).toBe(0);
  expect(run(program, frame(macs[1], macs[0], '12346140'))).toBe(0);
  const anybody = tunnelFilter(tunnel, undefined, new Uint8Array());
  expect(run(anybody, frame(macs[0], '020000000003'))).toBeGreaterThan(0);
});

it('the filter leaves out packets that pass the end of a device a second time', () => {
  const frame = Buffer.from(`${'00'.repeat(12)}0806`, 'hex');
  expect(run(nodeFilter(onlyArp), frame)).toBe(1);
  for (const mark of [0x6e73_6d01, 0x6e73_6d03])
    expect(run(nodeFilter(new Uint8Array()), frame, mark)).toBe(0);
  expect(run(nodeFilter(new Uint8Array()), frame, 7)).toBeGreaterThan(0);
});
