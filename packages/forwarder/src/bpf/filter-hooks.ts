// The programs as traffic filters of a clsact qdisc.
import { type Filter, NetlinkError, type RouteSocket } from '@nsm/netlink';
import { addClsact, filterNew } from './clsact.js';
import { type Hook, type Hooks, isOurs, type LoadedProgram, type Standing } from './hooks.js';

/** Filters of ours bear this handle, "nsm", so that they can share a priority with others'. */
const handle = 0x6e736d;
/** Early, to see tunnel packets before policies made for pods; filters that are earlier have ours come before them. */
const usualPriority = 10;
/** ETH_P_ALL, linux/if_ether.h. */
const allProtocols = 3;

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
    const { name, id } = this.#list(device, hook).find(isOurFilter)?.bpf ?? {};
    return name === undefined || id === undefined ? undefined : { name, id };
  }

  /** The new filter is there before the old filter goes. @returns whether the new filter comes first. */
  attach(device: number, hook: Hook, { fd, id, name }: LoadedProgram): boolean {
    const present = this.#list(device, hook);
    const own = present.filter(isOurFilter);
    const others = present.filter((filter) => !isOurFilter(filter));
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
    return others.every((filter) => filter.priority >= priority);
  }

  /** On a device that is only just made: there are no other filters to be found. */
  attachToNew(device: number, hook: Hook, { fd, name }: LoadedProgram): void {
    const place = { device, parent: hook, handle, priority: usualPriority } as const;
    this.#socket.batch(() => filterNew(this.#socket, { ...place, kind: 'bpf', programFd: fd, name }));
  }

  detach(device: number, hook: Hook): void {
    for (const { priority } of this.#list(device, hook).filter(isOurFilter))
      this.#socket.deleteFilter({ device, parent: hook, priority, handle, kind: 'bpf' });
  }

  before(device: number, hook: Hook): readonly string[] {
    const present = this.#list(device, hook);
    const own = present.find(isOurFilter);
    if (!own) return [];
    return present
      .filter((filter) => !isOurFilter(filter) && filter.priority < own.priority)
      .map(({ kind, bpf, priority }) => `filter ${bpf?.name ?? kind} of priority ${priority}`);
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

function isOurFilter({ kind, handle: own, bpf }: Filter): boolean {
  return kind === 'bpf' && own === handle && isOurs(bpf?.name);
}

/** A priority belongs to one kind of filter and one protocol. */
function firstFree(others: readonly Filter[], from: number): number {
  const taken = others.filter(({ kind, protocol }) => kind !== 'bpf' || protocol !== allProtocols);
  for (let priority = from; ; priority++)
    if (taken.every((filter) => filter.priority !== priority)) return priority;
}
