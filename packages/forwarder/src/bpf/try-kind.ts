// Finds out whether the kernel does what a kind of tunnel asks of it: a frame is wrapped and unwrapped, and goes nowhere.
import { NetlinkError, testRun } from '@nsm/netlink';
import type { TunnelKind } from './tunnel-kind.js';
import type { TunnelPrograms } from './tunnel-programs.js';

/** The loopback device, on which such frames arrive; no tunnel has it, nor these addresses. */
const loopback = 1;
const addresses = { 4: '127.0.0.1', 6: '::1' } as const;
const identifier = 0xfffff;
const redirect = 7;

/** @returns what does not work and why, or ''. */
export function tryKind(kind: TunnelKind, programs: TunnelPrograms): string {
  for (const version of [4, 6] as const) {
    for (const [inner, frame] of Object.entries(frames)) {
      try {
        const why = tryFrame(kind, programs, version, frame);
        if (why) return `${inner} over IPv${version}: ${why}`;
      } catch (error) {
        if (error instanceof NetlinkError) return error.message;
        throw error;
      } finally {
        programs.maps.delete(loopback);
      }
    }
  }
  return '';
}

function tryFrame(kind: TunnelKind, programs: TunnelPrograms, version: 4 | 6, frame: Buffer): string {
  const address = addresses[version];
  programs.maps.write(loopback, {
    code: kind.code,
    local: address,
    remote: address,
    identifier,
    port: kind.port ?? 0,
    uplink: loopback,
    mtu: 1500,
    checked: false,
    needsLink: kind.needsLink ?? false,
    senderKnown: false,
    elsewhere: false,
  });
  const sent = testRun(programs.descriptor('nsm_wrap'), frame);
  if (sent.verdict !== redirect) return 'the kernel refuses to wrap it (bpf_skb_adjust_room)';
  const length = frame.length + kind.overhead[version];
  if (sent.packet.length !== length)
    return `it becomes ${sent.packet.length} bytes long instead of ${length}`;
  // A labelled frame gets its EtherType on its way out of the uplink.
  if (kind.needsLink) sent.packet.writeUInt16BE(0x8847, 12);
  const received = testRun(programs.descriptor('nsm_unwrap'), sent.packet);
  if (received.verdict !== redirect) return 'the kernel refuses to unwrap it (bpf_skb_adjust_room)';
  if (!kind.needsLink && received.packet.compare(frame, 0, frame.length, 0, frame.length) !== 0)
    return 'it does not come out as it went in';
  return '';
}

/** Broadcast Ethernet frames of every sort that a program treats differently, 64 bytes each. */
const frames: Readonly<Record<string, Buffer>> = {
  // ICMP from 192.0.2.1 to 192.0.2.2.
  IPv4: frame('0800', '4500003200000000400100000000c0000201c0000202'),
  IPv6: frame(
    '86dd',
    '600000000000003afffe80000000000000000000000000000101fe80000000000000000000000000000102',
  ),
  ARP: frame('0806', '0001080006040001020000000001c0000201000000000000c0000202'),
};

function frame(type: string, payload: string): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.write(`000000000000020000000001${type}${payload}`, 'hex');
  return bytes;
}
