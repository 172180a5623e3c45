// MPLS in UDP, RFC 7510: one label, and Ethernet without control word behind it (RFC 4448, raw mode).
import { TunnelType } from '@nsm/api';
import { header, overIp, type TunnelKind } from '../../bpf/tunnel-kind.js';

export const mplsOverUdp: TunnelKind = {
  type: TunnelType.MPLSoUDP,
  code: 5,
  overhead: overIp(header.udp + header.mplsLabel),
  port: 6635,
};
