// VXLAN_GRE of the specification: VXLAN-GPE, draft-ietf-nvo3-vxlan-gpe, with next protocol Ethernet.
import { TunnelType } from '@nsm/api';
import { header, overIp, type TunnelKind } from '../../bpf/tunnel-kind.js';
import { vxlanHeader } from '../vxlan/vxlan.js';

export const vxlanGpe: TunnelKind = {
  type: TunnelType.VXLAN_GRE,
  code: 3,
  overhead: overIp(header.udp + vxlanHeader),
  port: 4790,
};
