// MEM or VHOST to KERNEL on one node, either way round: shared memory with a pod, and a TAP device in the other pod.
import { type forwarder as fw, InterfaceType, NsmError } from '@nsm/api';
import { sourcesOf } from '../../bpf/source-maps.js';
import { tryDevice } from '../../port/trial-device.js';
import type { Device, Node, OpenPorts, Side, Wiring } from '../../port/wiring.js';
import { protocolOf, type SharedEngine } from './shared-engine.js';

export class SharedToKernel implements Wiring {
  readonly engine: string;
  readonly interface: InterfaceType;
  readonly endpointInterface: InterfaceType;
  readonly #type: InterfaceType;
  readonly #shared: Side;
  readonly #kernel: Side;
  readonly #peers: SharedEngine;

  /** @param shared the side that has the shared memory. */
  constructor(type: InterfaceType, shared: Side, peers: SharedEngine) {
    const { KERNEL_INTERFACE } = InterfaceType;
    this.engine = `${protocolOf(type)} and TAP device`;
    this.#type = type;
    this.#shared = shared;
    this.#kernel = shared === 'client' ? 'endpoint' : 'client';
    this.interface = shared === 'client' ? type : KERNEL_INTERFACE;
    this.endpointInterface = shared === 'client' ? KERNEL_INTERFACE : type;
    this.#peers = peers;
  }

  probe({ socket }: Node): string {
    return tryDevice(socket, (name) => ({ kind: 'tap', name })) || this.#peers.missing(this.#type);
  }

  async connect(
    { id }: fw.CrossConnect,
    ports: OpenPorts,
    _node: Node,
    remove: (device: Device) => void,
  ): Promise<Device[]> {
    const side = this.#kernel;
    const [kernel, shared] = [ports[side], ports[this.#shared]];
    if (!kernel || !shared)
      throw new NsmError('invalid', 'a local cross-connect needs a client and an endpoint');
    const found = kernel.find(id);
    const fits = found?.kind === 'tun';
    if (found && !fits) remove({ side, fresh: false, ...found });
    const name = fits ? found.name : kernel.freeName();
    const { mac, mtu } = kernel.port;
    if (!fits) kernel.socket.addLink({ kind: 'tap', name, mac, mtu, alias: id });
    const index = kernel.socket.link(name)?.index ?? 0;
    try {
      const tap = { name, index, namespace: kernel.namespace, sources: sourcesOf(kernel.port) };
      await this.#peers.join(id, this.#shared, shared.port, tap);
    } catch (error) {
      if (!fits) kernel.socket.deleteLink(index);
      throw error;
    }
    return [{ side, index, name, fresh: !fits }];
  }
}
