// Every kind of tunnel, in the order in which they are offered.
import type { TunnelKind } from '../bpf/tunnel-kind.js';
import { gre } from './gre/gre.js';
import { mplsOverEthernet } from './mpls-over-ethernet/mpls-over-ethernet.js';
import { mplsOverGre } from './mpls-over-gre/mpls-over-gre.js';
import { mplsOverUdp } from './mpls-over-udp/mpls-over-udp.js';
import { vxlan } from './vxlan/vxlan.js';
import { vxlanGpe } from './vxlan-gpe/vxlan-gpe.js';

/** UDP passes most middleboxes, GRE some, MPLS on Ethernet none. */
export const tunnelKinds: readonly TunnelKind[] = [
  vxlan,
  vxlanGpe,
  gre,
  mplsOverUdp,
  mplsOverGre,
  mplsOverEthernet,
];
