// What tells one kind of tunnel from another: everything else is the same eBPF program.
import type { TunnelType } from '@nsm/api';

/** Bytes of the headers that every kind has. */
export const header = { ethernet: 14, ipv4: 20, ipv6: 40, udp: 8, mplsLabel: 4 } as const;

export interface TunnelKind {
  readonly type: TunnelType;
  /** Number of the kind in bpf/maps.h. */
  readonly code: number;
  /** Bytes of underlay packet that are not the pod's IP packet, by version of IP underlay. */
  readonly overhead: Readonly<Record<4 | 6, number>>;
  /** UDP destination port, where the kind has one. The program knows no other. */
  readonly port?: number;
  /** Frames go to the other node itself, without IP in between: no router can carry them. */
  readonly needsLink?: true;
}

/** Overhead of a kind that has `bytes` between the IP header of the underlay and the inner Ethernet header. */
export function overIp(bytes: number): Readonly<Record<4 | 6, number>> {
  return { 4: header.ipv4 + bytes + header.ethernet, 6: header.ipv6 + bytes + header.ethernet };
}
