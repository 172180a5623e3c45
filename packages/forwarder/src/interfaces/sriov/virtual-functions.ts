// SRIOV: virtual functions of the node's adapters, set by their physical function before a pod gets them.
import { InterfaceType } from '@nsm/api';
import type { RouteSocket } from '@nsm/netlink';
import {
  type Absent,
  type DeviceSource,
  fits,
  type PooledDevice,
  type VfPool,
} from '../../lending/device-source.js';
import { adaptersIn } from './adapters.js';

export class VirtualFunctions implements DeviceSource {
  readonly interface: InterfaceType = InterfaceType.SRIOV_INTERFACE;
  readonly engine = 'virtual functions';
  readonly pools: readonly string[];
  readonly #pools: readonly VfPool[];
  readonly #sysfs: string;

  constructor(pools: readonly VfPool[], sysfs: string) {
    this.#pools = pools;
    this.#sysfs = sysfs;
    this.pools = [...new Set(pools.map(({ name }) => name))];
  }

  missing(): string {
    if (this.pools.length > 0) return '';
    const adapters = adaptersIn(this.#sysfs).map(
      ({ name, functions, total }) => `${name} (${functions.length} of ${total} virtual functions)`,
    );
    const here =
      adapters.length === 0 ? 'this node has no SR-IOV adapter' : `this node has ${adapters.join(', ')}`;
    return `no pool of virtual functions is configured: --sriov-pool NAME?pf=PATTERN; ${here}`;
  }

  devices(pool: string, node: RouteSocket): { present: PooledDevice[]; absent: Absent[] } {
    const present: PooledDevice[] = [];
    const absent: Absent[] = [];
    for (const { name: physical, driver, pci, total, functions } of adaptersIn(this.#sysfs)) {
      const wanted = this.#pools.find(
        ({ name, match }) =>
          name === pool && fits(match.name, physical) && fits(match.driver, driver) && fits(match.pci, pci),
      );
      if (!wanted) continue;
      if (functions.length === 0)
        absent.push({
          physical,
          reason: `${physical} has none of its ${total} virtual functions: write their number to ${this.#sysfs}/class/net/${physical}/device/sriov_numvfs`,
        });
      for (const { index, device, driver: served, pci: address } of functions) {
        const link = device === undefined ? undefined : node.link(device);
        if (link) {
          present.push({ link, function: { physical, index, settings: wanted.settings } });
          continue;
        }
        const reason =
          served === '' ? 'has no driver' : `has no network device on the node (driver ${served})`;
        absent.push({ physical, index, reason: `${address} ${reason}` });
      }
    }
    return { present, absent };
  }
}
