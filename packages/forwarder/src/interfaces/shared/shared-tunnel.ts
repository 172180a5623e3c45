// MEM or VHOST over any kind of tunnel by eBPF: shared memory with the pod, and a TAP device as the node's end of the tunnel.
import { type forwarder as fw, type InterfaceType, NsmError, type TunnelType } from '@nsm/api';
import type { Link, RouteLookup } from '@nsm/netlink';
import type { BpfTunnel } from '../../bpf/bpf-tunnel.js';
import { nodeEndName } from '../../bpf/node-end.js';
import type { Device, Node, OpenPorts, Side, Wiring } from '../../port/wiring.js';
import { protocolOf, type SharedEngine } from './shared-engine.js';

export class SharedTunnel implements Wiring {
  readonly engine: string;
  readonly interface: InterfaceType;
  readonly tunnel: TunnelType;
  readonly overhead: Readonly<Record<4 | 6, number>>;
  readonly largest: number;
  readonly port: number;
  readonly #over: BpfTunnel;
  readonly #peers: SharedEngine;

  constructor(type: InterfaceType, over: BpfTunnel, peers: SharedEngine) {
    this.engine = `${protocolOf(type)} and eBPF`;
    this.interface = type;
    this.#over = over;
    this.#peers = peers;
    this.tunnel = over.tunnel;
    this.overhead = over.overhead;
    this.largest = over.largest;
    this.port = over.port;
  }

  probe(): string {
    return this.#over.probe() || this.#peers.missing(this.interface);
  }

  obstacle(route: RouteLookup, uplink: Link | undefined): string {
    return this.#over.obstacle(route, uplink);
  }

  inTheWay(): readonly string[] {
    return this.#over.inTheWay();
  }

  async connect(
    crossConnect: fw.CrossConnect,
    ports: OpenPorts,
    node: Node,
    remove: (device: Device) => void,
  ): Promise<Device[]> {
    const side: Side = ports.client ? 'client' : 'endpoint';
    const pod = ports[side];
    const [end] = this.#over.connect(crossConnect, ports, node, remove);
    if (!pod || !end) throw new NsmError('invalid', 'a remote cross-connect needs one port');
    const { id } = crossConnect;
    await this.#peers.join(id, side, pod.port, { name: nodeEndName(id), index: end.index });
    // No device is in the pod.
    return [];
  }
}
