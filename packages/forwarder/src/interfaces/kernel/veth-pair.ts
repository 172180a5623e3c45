// KERNEL to KERNEL on one node: one veth pair, an end born in each pod, nothing in between.
import { type forwarder as fw, InterfaceType, NsmError } from '@nsm/api';
import { unfinishedGroup } from '../../port/device-groups.js';
import { tryDevice } from '../../port/trial-device.js';
import type { Device, Node, OpenPorts, Wiring } from '../../port/wiring.js';

export class VethPair implements Wiring {
  readonly engine = 'kernel veth pair';
  readonly interface: InterfaceType = InterfaceType.KERNEL_INTERFACE;

  probe({ socket }: Node): string {
    return tryDevice(socket, (name) => ({ kind: 'veth', name, peer: { name: `${name}p` } }));
  }

  connect(
    crossConnect: fw.CrossConnect,
    ports: OpenPorts,
    _node: Node,
    remove: (device: Device) => void,
  ): Device[] {
    const { client, endpoint } = ports;
    if (!client || !endpoint)
      throw new NsmError('invalid', 'a local cross-connect needs a client and an endpoint');
    const { id } = crossConnect;
    const found = { client: client.find(id), endpoint: endpoint.find(id) };
    if (found.client && found.endpoint) {
      return [
        { side: 'client', index: found.client.index, name: found.client.name, fresh: false },
        { side: 'endpoint', index: found.endpoint.index, name: found.endpoint.name, fresh: false },
      ];
    }
    if (found.client) remove({ side: 'client', fresh: false, ...found.client });
    if (found.endpoint) remove({ side: 'endpoint', fresh: false, ...found.endpoint });
    const name = endpoint.freeName();
    const group = unfinishedGroup(id);
    const made = client.socket.createLink({
      kind: 'veth',
      name: client.freeName(),
      mac: client.port.mac,
      mtu: client.port.mtu,
      group,
      peer: { name, namespace: endpoint.namespace, mac: endpoint.port.mac, mtu: endpoint.port.mtu, group },
    });
    return [
      { side: 'client', index: made.index, name: made.name, fresh: true },
      { side: 'endpoint', index: made.linkIndex ?? 0, name, fresh: true },
    ];
  }
}
