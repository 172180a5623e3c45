// KERNEL over VXLAN: the tunnel device itself is the pod's interface, born in the pod with its socket in the node.
import { type forwarder as fw, InterfaceType, NsmError, TunnelType } from '@nsm/api';
import type { TunnelEngine } from '../../bpf/tunnel-engine.js';
import { unfinishedGroup } from '../../port/device-groups.js';
import { tryDevice } from '../../port/trial-device.js';
import type { Device, Node, OpenPorts, Side, Wiring } from '../../port/wiring.js';
import { vxlan } from './vxlan.js';

const { port: vxlanPort = 0 } = vxlan;

export class VxlanDevice implements Wiring {
  readonly #tunnels: TunnelEngine;

  /** @param tunnels whose eBPF programs, where they work, see to it that the device gets packets of its peer only. */
  constructor(tunnels: TunnelEngine) {
    this.#tunnels = tunnels;
  }

  readonly engine = 'kernel vxlan device';
  readonly interface: InterfaceType = InterfaceType.KERNEL_INTERFACE;
  readonly tunnel: TunnelType = TunnelType.VXLAN;
  readonly port: number = vxlanPort;
  readonly deviceKind = 'vxlan';
  readonly overhead: Readonly<Record<4 | 6, number>> = vxlan.overhead;

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
      if (same && has.port === port) {
        this.#guard(id, tunnel);
        return [device];
      }
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
      // RFC 7348, section 5; the kernel's own choice is where its applications' ports are.
      sourcePorts: [0xc000, 0xffff],
      // One peer at the far end: nothing to learn, and no packet may teach the device another.
      learning: false,
      // As eBPF does: what does not fit is told to the pod, not cut in pieces on the way.
      df: 'set',
      // A peer that leaves the UDP checksum out, as RFC 6935 allows, is understood. Only there: devices with other flags, such
      // as other networks of the node have, cannot share the port.
      zeroChecksum6Rx: tunnel.local.includes(':'),
    });
    this.#guard(id, tunnel);
    return [{ side, index: open.socket.link(name)?.index ?? 0, name, fresh: true }];
  }

  /** The programs know the registered port only. */
  #guard(id: string, tunnel: fw.TunnelEnd): void {
    if (!tunnel.port || tunnel.port === vxlanPort) this.#tunnels.guard(vxlan, id, tunnel);
  }
}
