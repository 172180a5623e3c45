// MPLS right on the wire, EtherType 0x8847, RFC 3032: one label, and Ethernet without control word (RFC 4448, raw mode).
import { TunnelType } from '@nsm/api';
import { header, type TunnelKind } from '../../bpf/tunnel-kind.js';

const overhead = header.mplsLabel + header.ethernet;

export const mplsOverEthernet: TunnelKind = {
  type: TunnelType.MPLSoEthernet,
  code: 6,
  // The IP underlay serves to find the other node's MAC address.
  overhead: { 4: overhead, 6: overhead },
  needsLink: true,
};
