// MEM to MEM and VHOST to VHOST on one node: the pods meet by a socket and share memory; nothing of ours is in between.
import { type forwarder as fw, type InterfaceType, NsmError } from '@nsm/api';
import type { Device, Node, OpenPorts, Wiring } from '../../port/wiring.js';
import type { SharedSockets } from './shared-sockets.js';

export class SocketPair implements Wiring {
  readonly engine = 'shared memory';
  readonly interface: InterfaceType;
  readonly #sockets: SharedSockets;

  constructor(type: InterfaceType, sockets: SharedSockets) {
    this.interface = type;
    this.#sockets = sockets;
  }

  probe(_node: Node): string {
    return this.#sockets.missing(this.interface);
  }

  connect({ id }: fw.CrossConnect, { client, endpoint }: OpenPorts): Device[] {
    if (!client || !endpoint)
      throw new NsmError('invalid', 'a local cross-connect needs a client and an endpoint');
    this.#sockets.place(id, 'client', this.interface, client.port.uid);
    this.#sockets.place(id, 'endpoint', this.interface, endpoint.port.uid);
    this.#sockets.join(id, this.interface);
    return [];
  }
}
