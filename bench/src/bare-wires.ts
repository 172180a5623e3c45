// The kernel's own devices, made by hand between two pods that no manager knows: what connections are compared with.
import type { Mesh } from './mesh.js';
import type { Path } from './packets.js';
import type { Pod } from './pod.js';

export interface BareWires {
  readonly veth: Path;
  readonly vxlan: Path;
}

export function bareWires(mesh: Mesh): BareWires {
  return { veth: bareVeth(mesh), vxlan: bareVxlan(mesh) };
}

function bareVeth({ wires: { a, b } }: Mesh): Path {
  a.route.addLink({
    kind: 'veth',
    name: 'bare0',
    mtu: 1500,
    peer: { name: 'bare0', namespace: b.namespace, mtu: 1500 },
  });
  giveAddresses(a, b, 'bare0', '198.51.100.');
  return { from: a, to: b, address: '198.51.100.2' };
}

function bareVxlan({ wires: { a, b }, nodes, underlay }: Mesh): Path {
  const make = (pod: Pod, node: Pod, local: string, remote: string): void =>
    node.route.addLink({
      kind: 'vxlan',
      name: 'bare1',
      namespace: pod.namespace,
      mtu: 1450,
      id: 0xff_ffff,
      local,
      remote,
      port: 4789,
      learning: false,
      // As the managers' devices: those that share a UDP port must agree on it.
      zeroChecksum6Rx: true,
    });
  make(a, nodes.a, underlay.a, underlay.b);
  make(b, nodes.b, underlay.b, underlay.a);
  giveAddresses(a, b, 'bare1', '192.0.2.');
  return { from: a, to: b, address: '192.0.2.2' };
}

function giveAddresses(a: Pod, b: Pod, link: string, prefix: string): void {
  for (const [index, { route }] of [a, b].entries()) {
    const device = route.link(link)?.index ?? 0;
    route.addAddress(device, { address: `${prefix}${index + 1}/24`, nodad: true });
    route.setLink(device, { up: true });
  }
}
