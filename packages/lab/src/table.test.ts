// The table, and what it says when something is wrong.
import { Output } from '@nsm/output';
import { describe, expect, it } from 'vitest';
import type { ConnectionRow, LabReport, RoundTrip } from './measure/report.js';
import { formatMicroseconds, printReport } from './table.js';

const trip = (microseconds: number | null): RoundTrip => ({
  what: 'x',
  microseconds,
  sent: 5,
  received: microseconds === null ? 0 : 5,
});
const row: ConnectionRow = {
  client: 'alice',
  requestId: 'r',
  service: 'icmp',
  endpoint: 'echo',
  node: 'a',
  endpointNode: 'b',
  interface: 'nsm0',
  interfaceType: 'KERNEL',
  endpointInterfaceType: 'KERNEL',
  tunnel: 'VXLAN 5',
  addresses: ['10.0.0.1/31', 'fd00::1/127'],
  peerAddresses: ['10.0.0.0', 'fd00::'],
  mtu: 1450,
  there: [trip(40), trip(1350)],
  back: [trip(50)],
  throughput: null,
  state: 'UP',
  notHere: false,
  detail: '',
};
const report: LabReport = {
  lab: 'x',
  ok: false,
  connections: [
    row,
    { ...row, client: 'bob', endpoint: null, endpointNode: 'a', there: [trip(null)], detail: 'why' },
  ],
  checks: [
    { from: 'alice', to: 'world', ok: true, roundTrips: [trip(99)] },
    { from: 'bob', to: 'world', ok: false, roundTrips: [trip(null)] },
  ],
};

function printed(report: LabReport, isTTY = false): string {
  let text = '';
  printReport(new Output(false, { isTTY, write: (more) => (text += more) }), report);
  return text;
}

describe('printReport', () => {
  it('aligns columns and says what is wrong below', () => {
    expect(printed(report)).toBe(
      `CLIENT  SERVICE  ENDPOINT  NODE   INTERFACE  TUNNEL   ADDRESS                  MTU   RTT      STATE
alice   icmp     echo      a → b  nsm0       VXLAN 5  10.0.0.1/31 fd00::1/127  1450  1.35 ms  UP
bob     icmp     -         a      nsm0       VXLAN 5  10.0.0.1/31 fd00::1/127  1450  -        NO PACKETS
✓ alice → world: 99 µs
× bob → world: no answer
× bob → icmp: why
`,
    );
  });

  it('shows types other than KERNEL, and what this machine cannot do', () => {
    const other = { ...row, interface: null, interfaceType: 'MEM', tunnel: null, addresses: [], mtu: null };
    const connections = [
      { ...row, interfaceType: 'HW', endpointInterfaceType: 'HW' },
      other,
      {
        ...other,
        interfaceType: null,
        endpoint: null,
        there: [],
        state: 'FAILED',
        notHere: true,
        detail: 'no adapter',
      },
    ];
    expect(printed({ ...report, connections, checks: [] })).toBe(
      `CLIENT  SERVICE  ENDPOINT  NODE   INTERFACE      TUNNEL   ADDRESS                  MTU   RTT      STATE
alice   icmp     echo      a → b  HW nsm0        VXLAN 5  10.0.0.1/31 fd00::1/127  1450  1.35 ms  UP
alice   icmp     echo      a → b  MEM to KERNEL  -        -                        -     1.35 ms  UP
alice   icmp     -         a → b  -              -        -                        -     -        NOT HERE
- alice → icmp: no adapter
`,
    );
  });

  it('shows throughput where it was measured, and a stream that did not get through', () => {
    const connections = [
      { ...row, throughput: 8_240_000_000 },
      { ...row, client: 'bob', throughput: 0, detail: 'no TCP stream got through' },
    ];
    const lines = printed({ ...report, connections, checks: [] }).split('\n');
    expect(lines[0]).toMatch(/RTT +THROUGHPUT +STATE$/);
    expect(lines[1]).toMatch(/1\.35 ms +8\.2 Gbit\/s +UP$/);
    expect(lines[2]).toMatch(/1\.35 ms +0 Mbit\/s +NO PACKETS$/);
    expect(lines[3]).toBe('× bob → icmp: no TCP stream got through');
  });

  it('colours the state only', () => {
    const lines = printed(report, true).split('\n');
    expect(lines[1]?.endsWith(' \x1b[32mUP\x1b[39m')).toBe(true);
    expect(lines[2]?.endsWith(' \x1b[31mNO PACKETS\x1b[39m')).toBe(true);
  });
});

it.each([
  [47.4, '47 µs'],
  [1350, '1.35 ms'],
  [1_200_000, '1.20 s'],
])('formats %d', (value, text) => expect(formatMicroseconds(value)).toBe(text));
