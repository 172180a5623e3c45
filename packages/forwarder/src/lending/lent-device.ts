// HW to HW and SRIOV to SRIOV: each side gets a device of the same physical network, whose wire joins them.
import { type forwarder as fw, type InterfaceType, NsmError } from '@nsm/api';
import type { OpenPort } from '../port/open-port.js';
import type { Device, OpenPorts, Side, Wiring } from '../port/wiring.js';
import type { DeviceSource } from './device-source.js';
import type { Lending } from './lending.js';

const sides: readonly Side[] = ['client', 'endpoint'];

export class LentDevice implements Wiring {
  readonly interface: InterfaceType;
  readonly #source: DeviceSource;
  readonly #lending: Lending;

  constructor(source: DeviceSource, lending: Lending) {
    this.interface = source.interface;
    this.#source = source;
    this.#lending = lending;
  }

  get pools(): readonly string[] {
    return this.#source.pools;
  }

  /** With what is free now. */
  get engine(): string {
    const pools = this.pools.map((pool) => {
      const { judged } = this.#lending.judge(this.#source, pool);
      const lent = this.#lending
        .loans('')
        .filter((loan) => loan.pool === pool && loan.interface === this.interface);
      return `${pool}: ${judged.filter(({ obstacle }) => obstacle === '').length} free, ${lent.length} lent`;
    });
    return pools.length === 0 ? this.#source.engine : `${this.#source.engine} (${pools.join('; ')})`;
  }

  probe(): string {
    return this.#source.missing();
  }

  connect({ id }: fw.CrossConnect, ports: OpenPorts): Device[] {
    const devices: Device[] = [];
    try {
      for (const side of sides) {
        const open = ports[side];
        if (open) devices.push(this.#place(id, side, open));
      }
      return devices;
    } catch (error) {
      if (devices.some(({ fresh }) => fresh)) this.#lending.undo(id);
      throw error;
    }
  }

  #place(id: string, side: Side, open: OpenPort): Device {
    const { pool, device, mac } = open.port.parameters;
    if (pool === undefined) throw new NsmError('invalid', 'the port names no pool of devices');
    const wish = { id, side, pool, device, mac: admitMac(mac) };
    const { link, fresh } = this.#lending.place(this.#source, wish, open);
    // The device keeps its own hardware address unless it is asked to change it: neighbours on the wire may know it.
    open.port.mac = link.mac ?? '';
    return { side, index: link.index, name: link.name, fresh };
  }
}

/** @throws NsmError `invalid` unless the text is a device's address: six bytes, not a group's (IEEE 802, 8.2). */
function admitMac(mac: string | undefined): string | undefined {
  if (mac === undefined || /^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/i.test(mac)) return mac?.toLowerCase();
  throw new NsmError('invalid', `interface parameter mac ${JSON.stringify(mac)} is no address of a device`);
}
