// KERNEL over any kind of tunnel by eBPF: a veth pair from pod to node, wrapped and unwrapped by traffic control.
import { type forwarder as fw, InterfaceType, NsmError, type TunnelType } from '@nsm/api';
import type { Link, RouteLookup } from '@nsm/netlink';
import type { Device, Node, OpenPorts, Side, Wiring } from '../port/wiring.js';
import type { TunnelEngine } from './tunnel-engine.js';
import type { TunnelKind } from './tunnel-kind.js';
import { obstacle } from './underlay.js';

/**
 * What bpf_skb_change_head() and its sisters make of one packet that is not segmented later: BPF_SKB_MAX_LEN (net/core/filter.c), four
 * pages less a structure of up to 1 KiB that depends on the kernel's configuration.
 */
const largest = 15 * 1024;

export class BpfTunnel implements Wiring {
  readonly engine = 'eBPF';
  readonly interface: InterfaceType = InterfaceType.KERNEL_INTERFACE;
  readonly tunnel: TunnelType;
  readonly overhead: Readonly<Record<4 | 6, number>>;
  readonly largest: number = largest;
  readonly port: number;
  readonly deviceKind = 'veth';
  readonly #kind: TunnelKind;
  readonly #tunnels: TunnelEngine;

  constructor(kind: TunnelKind, tunnels: TunnelEngine) {
    this.#kind = kind;
    this.#tunnels = tunnels;
    this.tunnel = kind.type;
    this.overhead = kind.overhead;
    this.port = kind.port ?? 0;
  }

  probe(): string {
    return this.#tunnels.missing(this.#kind);
  }

  obstacle(route: RouteLookup, uplink: Link | undefined): string {
    return obstacle(this.#kind, route, uplink);
  }

  inTheWay(): readonly string[] {
    return this.#tunnels.obstacles();
  }

  connect(
    crossConnect: fw.CrossConnect,
    ports: OpenPorts,
    _node: Node,
    remove: (device: Device) => void,
  ): Device[] {
    const side: Side = ports.client ? 'client' : 'endpoint';
    const pod = ports[side];
    if (!pod) throw new NsmError('invalid', 'a remote cross-connect needs one port');
    const device = this.#tunnels.connect(this.#kind, crossConnect, pod, (found) =>
      remove({ side, index: found.index, name: found.name, fresh: false }),
    );
    return [{ side, ...device }];
  }
}
