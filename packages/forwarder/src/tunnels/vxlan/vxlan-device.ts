// KERNEL over VXLAN: the tunnel device itself is the pod's interface, born in the pod with its socket in the node.
import { type forwarder as fw, InterfaceType, NsmError, TunnelType } from '@nsm/api';
import { unfinishedGroup } from '../../device-groups.js';
import { tryDevice } from '../../trial-device.js';
import type { Device, Node, OpenPorts, Side, Wiring } from '../../wiring.js';

/** RFC 7348, section 8. */
const vxlanPort = 4789;

export class VxlanDevice implements Wiring {
  readonly engine = 'kernel vxlan device';
  readonly interface: InterfaceType = InterfaceType.KERNEL_INTERFACE;
  readonly tunnel: TunnelType = TunnelType.VXLAN;
  readonly port: number = vxlanPort;
  // IP (20 or 40), UDP (8), VXLAN (8) and the inner Ethernet header (14).
  readonly overhead: Readonly<Record<4 | 6, number>> = { 4: 50, 6: 70 };

  probe({ socket }: Node): string {
    // A device that is down opens no UDP socket: nothing on the node can be in its way.
    return tryDevice(socket, (name) => ({
      kind: 'vxlan',
      name,
      id: 0xfffffe,
      port: vxlanPort,
      local: '127.0.0.1',
      remote: '127.0.0.1',
    }));
  }

  connect(
    crossConnect: fw.CrossConnect,
    ports: OpenPorts,
    node: Node,
    remove: (device: Device) => void,
  ): Device[] {
    const { id, tunnel } = crossConnect;
    const side: Side = ports.client ? 'client' : 'endpoint';
    const open = ports[side];
    if (!open || !tunnel) throw new NsmError('invalid', 'a remote cross-connect needs one port and a tunnel');
    const found = open.find(id);
    const port = tunnel.port || vxlanPort;
    if (found) {
      const device: Device = { side, index: found.index, name: found.name, fresh: false };
      const has = found.data?.kind === 'vxlan' ? found.data : undefined;
      const same =
        has?.id === tunnel.identifier && has.local === tunnel.local && has.remote === tunnel.remote;
      if (same && has.port === port) return [device];
      remove(device);
    }
    const name = open.freeName();
    node.socket.addLink({
      kind: 'vxlan',
      name,
      namespace: open.namespace,
      mac: open.port.mac,
      mtu: open.port.mtu,
      group: unfinishedGroup(id),
      id: tunnel.identifier,
      local: tunnel.local,
      remote: tunnel.remote,
      port,
      // One peer at the far end: nothing to learn, and nobody may teach us another.
      learning: false,
      // A peer behind an encapsulation that leaves the UDP checksum out, as RFC 6935 allows, is understood.
      zeroChecksum6Rx: true,
    });
    return [{ side, index: open.socket.link(name)?.index ?? 0, name, fresh: true }];
  }
}
