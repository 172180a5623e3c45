// VXLAN, RFC 7348.
import { TunnelType } from '@nsm/api';
import { header, overIp, type TunnelKind } from '../../bpf/tunnel-kind.js';

/** Bytes of the VXLAN header. */
export const vxlanHeader = 8;

export const vxlan: TunnelKind = {
  type: TunnelType.VXLAN,
  code: 1,
  overhead: overIp(header.udp + vxlanHeader),
  // Section 8.
  port: 4789,
};
