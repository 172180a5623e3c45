// MEM to KERNEL on one node, either way round: a memif to the one pod, a TAP device in the other.
import { type forwarder as fw, InterfaceType, NsmError } from '@nsm/api';
import { tryDevice } from '../../trial-device.js';
import type { Device, Node, OpenPorts, Side, Wiring } from '../../wiring.js';
import type { MemifEngine } from './memif-engine.js';

export class MemifToKernel implements Wiring {
  readonly engine = 'memif and TAP device';
  readonly interface: InterfaceType;
  readonly endpointInterface: InterfaceType;
  readonly #memif: Side;
  readonly #kernel: Side;
  readonly #memifs: MemifEngine;

  /** @param memif the side that has the memif. */
  constructor(memif: Side, memifs: MemifEngine) {
    const { MEM_INTERFACE, KERNEL_INTERFACE } = InterfaceType;
    this.#memif = memif;
    this.#kernel = memif === 'client' ? 'endpoint' : 'client';
    this.interface = memif === 'client' ? MEM_INTERFACE : KERNEL_INTERFACE;
    this.endpointInterface = memif === 'client' ? KERNEL_INTERFACE : MEM_INTERFACE;
    this.#memifs = memifs;
  }

  probe({ socket }: Node): string {
    return tryDevice(socket, (name) => ({ kind: 'tap', name })) || this.#memifs.missing();
  }

  async connect(
    { id }: fw.CrossConnect,
    ports: OpenPorts,
    _node: Node,
    remove: (device: Device) => void,
  ): Promise<Device[]> {
    const side = this.#kernel;
    const [kernel, memif] = [ports[side], ports[this.#memif]];
    if (!kernel || !memif)
      throw new NsmError('invalid', 'a local cross-connect needs a client and an endpoint');
    const found = kernel.find(id);
    const fits = found?.kind === 'tun';
    if (found && !fits) remove({ side, fresh: false, ...found });
    const name = fits ? found.name : kernel.freeName();
    const { mac, mtu } = kernel.port;
    if (!fits) kernel.socket.addLink({ kind: 'tap', name, mac, mtu, alias: id });
    const index = kernel.socket.link(name)?.index ?? 0;
    try {
      await this.#memifs.join(id, this.#memif, memif.port, { name, index, namespace: kernel.namespace });
    } catch (error) {
      if (!fits) kernel.socket.deleteLink(index);
      throw error;
    }
    return [{ side, index, name, fresh: !fits }];
  }
}
