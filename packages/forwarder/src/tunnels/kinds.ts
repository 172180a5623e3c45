// Every kind of tunnel, in the order in which they are offered.
import type { TunnelType } from '@nsm/api';
import type { TunnelKind } from '../bpf/tunnel-kind.js';
import { gre } from './gre/gre.js';
import { mplsOverEthernet } from './mpls-over-ethernet/mpls-over-ethernet.js';
import { mplsOverGre } from './mpls-over-gre/mpls-over-gre.js';
import { mplsOverUdp } from './mpls-over-udp/mpls-over-udp.js';
import { vxlan } from './vxlan/vxlan.js';
import { vxlanGpe } from './vxlan-gpe/vxlan-gpe.js';

/** A type without a kind does not compile. UDP passes most middleboxes, GRE some, MPLS on Ethernet none. */
const kinds: Readonly<Record<Exclude<keyof typeof TunnelType, 'DEFAULT_TUNNEL'>, TunnelKind>> = {
  VXLAN: vxlan,
  VXLAN_GRE: vxlanGpe,
  GRE: gre,
  MPLSoUDP: mplsOverUdp,
  MPLSoGRE: mplsOverGre,
  MPLSoEthernet: mplsOverEthernet,
};

/** Every kind of tunnel, in the order in which they are offered. */
export const tunnelKinds: readonly TunnelKind[] = Object.values(kinds);
