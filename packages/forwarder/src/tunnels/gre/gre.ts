// GRE with Ethernet inside ("Transparent Ethernet Bridging", protocol 0x6558), RFC 2784, and with a key, RFC 2890.
import { TunnelType } from '@nsm/api';
import { overIp, type TunnelKind } from '../../bpf/tunnel-kind.js';

/** Bytes of the GRE header without optional fields. */
export const greHeader = 4;
/** The key tells the tunnels between two nodes apart. */
const key = 4;

export const gre: TunnelKind = { type: TunnelType.GRE, code: 2, overhead: overIp(greHeader + key) };
