// Tells when the underlay may have changed, or a filter was taken off a device: tunnels follow at once, not when they are
// applied again.
import { type Link, type MonitorGroup, type RouteEvent, RouteMonitor, type RouteSocket } from '@nsm/netlink';
import { isNodeEnd } from './node-end.js';
import { type Taken, takenBy } from './other-owners.js';

/** Listens in the namespace of the calling thread; idle until it is started. */
export class UnderlayWatch {
  readonly #socket: RouteSocket;
  readonly #neighbour: (address: string) => boolean;
  readonly #changed: () => void;
  readonly #filtersGone: ((device?: number) => void) | undefined;
  /** By index. */
  readonly #takers = new Map<number, Taken>();
  #monitor: RouteMonitor | undefined;
  #pending: NodeJS.Immediate | undefined;

  /**
   * @param neighbour whether the entry of an address matters.
   * @param changed called once for all events that came together.
   * @param filtersGone called with the device that lost filters; without one where it may be any. Default: nobody asks.
   */
  constructor(
    socket: RouteSocket,
    neighbour: (address: string) => boolean,
    changed: () => void,
    filtersGone?: (device?: number) => void,
  ) {
    this.#socket = socket;
    this.#neighbour = neighbour;
    this.#changed = changed;
    this.#filtersGone = filtersGone;
  }

  /** What the kernel's own tunnels take, as far as was told since the start. */
  get taken(): ReadonlySet<Taken> {
    return new Set(this.#takers.values());
  }

  /** Does nothing when it listens already. @throws NetlinkError */
  start(): void {
    if (this.#monitor) return;
    const groups: MonitorGroup[] = ['link', 'address', 'route', 'neighbour'];
    this.#monitor = RouteMonitor.open({ groups: this.#filtersGone ? [...groups, 'traffic'] : groups });
    this.#monitor.on('traffic', ({ action, device }) => {
      if (action === 'delete') this.#filtersGone?.(device);
    });
    this.#monitor.on('overrun', () => this.#filtersGone?.());
    this.#monitor.on('event', (event) => {
      if (this.#concerns(event)) this.#pending ??= setImmediate(() => this.#tell());
    });
    this.#findTakers();
  }

  stop(): void {
    this.#monitor?.close();
    this.#monitor = undefined;
    clearImmediate(this.#pending);
    this.#pending = undefined;
  }

  #concerns(event: RouteEvent): boolean {
    if (event.type === 'neighbour') return this.#neighbour(event.neighbour.address ?? '');
    if (event.type === 'traffic') return false;
    if (event.type === 'overrun') this.#findTakers();
    if (event.type !== 'link') return true;
    const { index, name } = event.link;
    this.#takers.delete(index);
    if (event.action === 'new') this.#note(event.link);
    // Pods that come and go change nothing.
    return !isNodeEnd(name);
  }

  #findTakers(): void {
    this.#takers.clear();
    for (const link of this.#socket.links()) this.#note(link);
  }

  #note(link: Link): void {
    const taken = takenBy(link);
    if (taken !== undefined) this.#takers.set(link.index, taken);
  }

  #tell(): void {
    this.#pending = undefined;
    this.#changed();
  }
}
