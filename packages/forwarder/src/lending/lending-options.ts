// Which devices of the node may be given to pods, and how that is remembered.
import { join } from 'node:path';
import type { DevicePool, VfPool } from './device-source.js';
import type { StepListener } from './lending.js';

export interface LendingOptions {
  /** Pools of network devices, for HW; several of one name are one pool. */
  readonly hwPools?: readonly DevicePool[];
  /** Pools of virtual functions, for SRIOV. */
  readonly sriovPools?: readonly VfPool[];
  /** Folder of what devices were like; it must outlast the process. Required where there are pools. */
  readonly folder?: string;
  /** Where sysfs is mounted. Default: `/sys`. */
  readonly sysfs?: string;
  /** Addresses of this node's ends of tunnels, besides those it finds out: their devices are never given away. */
  readonly underlay?: readonly string[];
  /** Called before each step that changes something; tests end the process there. */
  readonly onStep?: StepListener;
}

/** Where it is remembered in a folder of what outlives a restart. */
export function lentDevicesIn(stateDir: string): string {
  return join(stateDir, 'lent-devices');
}
