// HW: whole network devices of the node, found by name, driver or PCI address.
import { InterfaceType } from '@nsm/api';
import type { RouteSocket } from '@nsm/netlink';
import {
  type Absent,
  type DevicePool,
  type DeviceSource,
  fits,
  type PooledDevice,
} from '../../lending/device-source.js';

/** Of linux/if.h. */
const IFF_LOOPBACK = 0x8;

export class NetworkDevices implements DeviceSource {
  readonly interface: InterfaceType = InterfaceType.HW_INTERFACE;
  readonly engine = 'network devices of the node';
  readonly pools: readonly string[];
  readonly #pools: readonly DevicePool[];

  constructor(pools: readonly DevicePool[]) {
    this.#pools = pools;
    this.pools = [...new Set(pools.map(({ name }) => name))];
  }

  missing(): string {
    return this.pools.length > 0
      ? ''
      : 'no pool of network devices is configured: --hw-pool NAME?name=PATTERN';
  }

  devices(pool: string, node: RouteSocket): { present: PooledDevice[]; absent: Absent[] } {
    const matches = this.#pools.filter(({ name }) => name === pool).map(({ match }) => match);
    const present = node.links().filter(({ name, flags }) => {
      if ((flags & IFF_LOOPBACK) !== 0) return false;
      return matches.some((match) => {
        if (!fits(match.name, name)) return false;
        if (match.driver === undefined && match.pci === undefined) return true;
        const { driver = '', bus = '' } = node.driverInfo(name) ?? {};
        return fits(match.driver, driver) && fits(match.pci, bus);
      });
    });
    return { present: present.map((link) => ({ link })), absent: [] };
  }
}
