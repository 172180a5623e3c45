// MPLS in GRE, RFC 4023: one label, and Ethernet without control word behind it (RFC 4448, raw mode).
import { TunnelType } from '@nsm/api';
import { header, overIp, type TunnelKind } from '../../bpf/tunnel-kind.js';
import { greHeader } from '../gre/gre.js';

export const mplsOverGre: TunnelKind = {
  type: TunnelType.MPLSoGRE,
  code: 4,
  overhead: overIp(greHeader + header.mplsLabel),
};
