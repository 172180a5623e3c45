// The programs as traffic filters of a clsact qdisc, or of an ingress qdisc that others have put in its place.
import { type Filter, NetlinkError, type RouteSocket } from '@nsm/netlink';
import { addClsact, filterNew } from './clsact.js';
import { type Hook, type Hooks, hookOf, isOurs, type LoadedProgram, type Standing } from './hooks.js';

/** Filters of ours bear this handle, "nsm", so that they can share a priority with others'. */
const handle = 0x6e736d;
/** Early, to see tunnel packets before policies made for pods; filters that are earlier have ours come before them. */
const usualPriority = 10;
/** ETH_P_ALL, linux/if_ether.h. */
const allProtocols = 3;

/** `none`: the device has no place for it. */
export type FilterPlace = 'first' | 'behind' | 'none';

export class FilterHooks implements Hooks {
  readonly #socket: RouteSocket;

  constructor(socket: RouteSocket) {
    this.#socket = socket;
  }

  find(devices: readonly number[]): Standing[] {
    const wanted = new Set(devices);
    const hooked = this.#socket.qdiscs().filter(({ kind }) => kind === 'clsact' || kind === 'ingress');
    return hooked.flatMap(({ device }) => {
      if (!wanted.has(device)) return [];
      return (['ingress', 'egress'] as const).flatMap((hook) => {
        const found = this.ours(device, hook);
        return found ? [{ device, hook, ...found }] : [];
      });
    });
  }

  ours(device: number, hook: Hook): Pick<Standing, 'id' | 'name'> | undefined {
    const { name, id } = this.#list(device, hook).find(isOurFilter(hook))?.bpf ?? {};
    return name === undefined || id === undefined ? undefined : { name, id };
  }

  /** The new filter is there before the old filter goes. @returns where the filter stands now. */
  attach(device: number, hook: Hook, { fd, id, name }: LoadedProgram): FilterPlace {
    const present = this.#list(device, hook);
    const isOwn = isOurFilter(hook);
    const own = present.filter(isOwn);
    const others = present.filter((filter) => !isOwn(filter));
    if (!own.some(({ bpf }) => bpf?.id === id) && !this.#hasPlace(device, hook)) return 'none';
    const earliest = Math.min(...others.map(({ priority }) => priority), usualPriority + 1);
    const wanted = Math.max(earliest - 1, 1);
    const priority = own.find((filter) => filter.priority <= wanted)?.priority ?? firstFree(others, wanted);
    const place = { device, parent: hook, handle, kind: 'bpf' } as const;
    if (!own.some((filter) => filter.priority === priority && filter.bpf?.id === id)) {
      addClsact(this.#socket, device);
      this.#socket.addFilter({ ...place, priority, programFd: fd, name }, { replace: true });
    }
    for (const former of own)
      if (former.priority !== priority) this.#socket.deleteFilter({ ...place, priority: former.priority });
    return others.every((filter) => filter.priority >= priority) ? 'first' : 'behind';
  }

  /** On a device that is only just made: there are no other filters to be found. */
  attachToNew(device: number, hook: Hook, { fd, name }: LoadedProgram): void {
    const place = { device, parent: hook, handle, priority: usualPriority } as const;
    this.#socket.batch(() => filterNew(this.#socket, { ...place, kind: 'bpf', programFd: fd, name }));
  }

  detach(device: number, hook: Hook): void {
    for (const { priority } of this.#list(device, hook).filter(isOurFilter(hook)))
      this.#socket.deleteFilter({ device, parent: hook, priority, handle, kind: 'bpf' });
  }

  before(device: number, hook: Hook): readonly string[] {
    const present = this.#list(device, hook);
    const isOwn = isOurFilter(hook);
    const own = present.find(isOwn);
    if (!own) return [];
    return present
      .filter((filter) => !isOwn(filter) && filter.priority < own.priority)
      .map(({ kind, bpf, priority }) => `filter ${bpf?.name ?? kind} of priority ${priority}`);
  }

  /**
   * The older ingress qdisc keeps clsact away from a device, and takes filters of the egress among those of the ingress
   * (net/sched/sch_ingress.c): packets that come in would meet the program for those that leave.
   */
  #hasPlace(device: number, hook: Hook): boolean {
    return hook === 'ingress' || this.#socket.qdiscs({ device }).every(({ kind }) => kind !== 'ingress');
  }

  #list(device: number, hook: Hook): Filter[] {
    try {
      return this.#socket.filters({ device, parent: hook });
    } catch (error) {
      // No clsact, or no such device.
      if (error instanceof NetlinkError) return [];
      throw error;
    }
  }
}

/** Whether a filter is ours for that hook: an ingress qdisc lists the same filters for both. */
function isOurFilter(hook: Hook): (filter: Filter) => boolean {
  return ({ kind, handle: own, bpf }) =>
    kind === 'bpf' && own === handle && isOurs(bpf?.name) && hookOf(bpf.name) === hook;
}

/** A priority belongs to one kind of filter and one protocol. */
function firstFree(others: readonly Filter[], from: number): number {
  const taken = others.filter(({ kind, protocol }) => kind !== 'bpf' || protocol !== allProtocols);
  for (let priority = from; ; priority++)
    if (taken.every((filter) => filter.priority !== priority)) return priority;
}
