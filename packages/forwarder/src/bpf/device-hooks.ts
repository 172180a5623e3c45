// The programs on a device: as traffic filters, which cost next to nothing, and where those would not come first by tcx, which
// comes before every filter, but has the kernel wait for a grace period (about 13 ms) each time.
import { NsmError } from '@nsm/api';
import { hasTcx, type RouteSocket } from '@nsm/netlink';
import { FilterHooks } from './filter-hooks.js';
import type { Hook, Hooks, LoadedProgram, Standing } from './hooks.js';
import { TcxHooks } from './tcx-hooks.js';

export class DeviceHooks implements Hooks {
  readonly #filters: FilterHooks;
  readonly #tcx: TcxHooks | undefined;

  constructor(socket: RouteSocket) {
    this.#filters = new FilterHooks(socket);
    this.#tcx = hasTcx() ? new TcxHooks() : undefined;
  }

  find(devices: readonly number[]): Standing[] {
    return [...(this.#tcx?.find(devices) ?? []), ...this.#filters.find(devices)];
  }

  ours(device: number, hook: Hook): Pick<Standing, 'id' | 'name'> | undefined {
    return this.#tcx?.ours(device, hook) ?? this.#filters.ours(device, hook);
  }

  attach(device: number, hook: Hook, program: LoadedProgram): void {
    const fits = !this.#tcx || this.#tcx.isFree(device, hook);
    const place = fits ? this.#filters.attach(device, hook, program) : 'none';
    if (place === 'first') return;
    if (this.#tcx) {
      this.#tcx.attach(device, hook, program);
      this.#filters.detach(device, hook);
    } else if (place === 'none')
      throw new NsmError(
        'dataplane',
        `device #${device} has a qdisc "ingress", which before Linux 6.6 leaves no place for a program at the egress: put clsact there instead, which does the same and more`,
      );
  }

  /** On a device that nobody else has put anything on, because it is only just made. */
  attachToNew(device: number, hook: Hook, program: LoadedProgram): void {
    this.#filters.attachToNew(device, hook, program);
  }

  detach(device: number, hook: Hook): void {
    this.#tcx?.detach(device, hook);
    this.#filters.detach(device, hook);
  }

  before(device: number, hook: Hook): readonly string[] {
    const byTcx = this.#tcx?.before(device, hook) ?? [];
    return this.#tcx?.ours(device, hook) ? byTcx : [...byTcx, ...this.#filters.before(device, hook)];
  }

  /** Whether a program may have come before ours, or ours may have been taken off, without an event of traffic control. */
  changedUnheard(device: number, hook: Hook): boolean {
    return this.#tcx?.isOther(device, hook) ?? false;
  }
}
