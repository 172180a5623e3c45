// MEM over any kind of tunnel by eBPF: a memif to the pod, and a TAP device as the node's end of the tunnel.
import { type forwarder as fw, InterfaceType, NsmError, type TunnelType } from '@nsm/api';
import type { Link, RouteLookup } from '@nsm/netlink';
import type { BpfTunnel } from '../../bpf/bpf-tunnel.js';
import { nodeEndName } from '../../bpf/node-end.js';
import type { Device, Node, OpenPorts, Side, Wiring } from '../../wiring.js';
import type { MemifEngine } from './memif-engine.js';

export class MemifTunnel implements Wiring {
  readonly engine = 'memif and eBPF';
  readonly interface: InterfaceType = InterfaceType.MEM_INTERFACE;
  readonly tunnel: TunnelType;
  readonly overhead: Readonly<Record<4 | 6, number>>;
  readonly port: number;
  readonly #over: BpfTunnel;
  readonly #memifs: MemifEngine;

  constructor(over: BpfTunnel, memifs: MemifEngine) {
    this.#over = over;
    this.#memifs = memifs;
    this.tunnel = over.tunnel;
    this.overhead = over.overhead;
    this.port = over.port;
  }

  probe(): string {
    return this.#over.probe() || this.#memifs.missing();
  }

  obstacle(route: RouteLookup, uplink: Link | undefined): string {
    return this.#over.obstacle(route, uplink);
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
    await this.#memifs.join(id, side, pod.port, { name: nodeEndName(id), index: end.index });
    // None of them is in the pod.
    return [];
  }
}
