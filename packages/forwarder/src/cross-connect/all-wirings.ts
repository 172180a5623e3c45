// Every wiring of a node. A new interface type, engine or way of joining two types is one more entry here; a new kind of tunnel is
// one in tunnels/kinds.ts.
import { interfaceTypes, traitsOf } from '@nsm/api';
import { BpfTunnel } from '../bpf/bpf-tunnel.js';
import type { TunnelEngine } from '../bpf/tunnel-engine.js';
import { NetworkDevices } from '../interfaces/hw/network-devices.js';
import { VethPair } from '../interfaces/kernel/veth-pair.js';
import type { SharedEngine } from '../interfaces/shared/shared-engine.js';
import type { SharedSockets } from '../interfaces/shared/shared-sockets.js';
import { SharedToKernel } from '../interfaces/shared/shared-to-kernel.js';
import { SharedTunnel } from '../interfaces/shared/shared-tunnel.js';
import { SocketPair } from '../interfaces/shared/socket-pair.js';
import { VirtualFunctions } from '../interfaces/sriov/virtual-functions.js';
import type { Lending } from '../lending/lending.js';
import type { LendingOptions } from '../lending/lending-options.js';
import { LentDevice } from '../lending/lent-device.js';
import type { Wiring } from '../port/wiring.js';
import { tunnelKinds } from '../tunnels/kinds.js';
import { VxlanDevice } from '../tunnels/vxlan/vxlan-device.js';

export type VxlanEngine = 'kernel' | 'ebpf';

/** What the wirings share. */
export interface Engines {
  readonly tunnels: TunnelEngine;
  readonly sockets: SharedSockets;
  readonly shared: SharedEngine;
  readonly lending: Lending;
}

/** In order of preference, where several can join the same. */
export function allWirings(
  { tunnels, sockets, shared, lending }: Engines,
  vxlanEngine: VxlanEngine,
  { hwPools = [], sriovPools = [], sysfs = '/sys' }: LendingOptions,
): Wiring[] {
  const byBpf = tunnelKinds.map((kind) => new BpfTunnel(kind, tunnels));
  const byKernel = [new VxlanDevice(tunnels)];
  const overTunnels = vxlanEngine === 'kernel' ? [...byKernel, ...byBpf] : [...byBpf, ...byKernel];
  const sharedTypes = interfaceTypes.filter((type) => traitsOf(type).sharedMemory);
  const byMemory = sharedTypes.map((type) => new SocketPair(type, sockets));
  const byPeer = sharedTypes.flatMap((type) => [
    new SharedToKernel(type, 'client', shared),
    new SharedToKernel(type, 'endpoint', shared),
    ...byBpf.map((tunnel) => new SharedTunnel(type, tunnel, shared)),
  ]);
  const byDevice = [new NetworkDevices(hwPools), new VirtualFunctions(sriovPools, sysfs)].map(
    (source) => new LentDevice(source, lending),
  );
  return [new VethPair(), ...byMemory, ...byDevice, ...overTunnels, ...byPeer];
}
