// Tells when the underlay may have changed, or a filter was taken off a device: tunnels follow at once, not when they are
// applied again.
import {
  type Link,
  type MonitorGroup,
  type Neighbour,
  type RouteEvent,
  RouteMonitor,
  type RouteSocket,
} from '@nsm/netlink';
import { isNodeEnd } from './node-end.js';
import { type Taken, takenBy } from './other-owners.js';

/** What is to be told. */
export interface UnderlayListener {
  /** The underlay may have changed: called once for all events that came together. */
  changed(): void;
  /** A neighbour is known, or its MAC address another one. @returns whether that may change the underlay. Default: no. */
  neighbour?(neighbour: Neighbour): boolean;
  /** A device, other than the node's end of a tunnel, has come, changed or gone. */
  device?(link: Link, gone: boolean): void;
  /** Reverse path filtering of a device, or of all where none is named, has been set. Default: the setting is not listened for. */
  setting?(device?: number): void;
  /** Filters of a device, or of any where none is named, may have changed. Default: filters are not listened for. */
  filters?(device?: number): void;
}

/** Listens in the namespace of the calling thread; idle until it is started. */
export class UnderlayWatch {
  readonly #socket: RouteSocket;
  readonly #listener: UnderlayListener;
  /** By index. */
  readonly #takers = new Map<number, Taken>();
  #monitor: RouteMonitor | undefined;
  #pending: NodeJS.Immediate | undefined;

  constructor(socket: RouteSocket, listener: UnderlayListener) {
    this.#socket = socket;
    this.#listener = listener;
  }

  /** What the kernel's own tunnels take, as far as was told since the start. */
  get taken(): ReadonlySet<Taken> {
    return new Set(this.#takers.values());
  }

  /** Does nothing when it listens already. @throws NetlinkError */
  start(): void {
    if (this.#monitor) return;
    const groups: MonitorGroup[] = ['link', 'address', 'route', 'neighbour'];
    const { filters, setting } = this.#listener;
    if (filters) groups.push('traffic');
    if (setting) groups.push('setting');
    this.#monitor = RouteMonitor.open({ groups });
    this.#monitor.on('setting', ({ device }) => this.#listener.setting?.(device));
    this.#monitor.on('traffic', ({ device }) => this.#listener.filters?.(device));
    this.#monitor.on('overrun', () => {
      this.#listener.filters?.();
      this.#listener.setting?.();
    });
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
    if (event.type === 'neighbour') return this.#listener.neighbour?.(event.neighbour) === true;
    if (event.type === 'traffic' || event.type === 'setting') return false;
    if (event.type === 'overrun') this.#findTakers();
    if (event.type !== 'link') return true;
    const { link, action } = event;
    this.#takers.delete(link.index);
    // Pods that come and go change nothing.
    if (isNodeEnd(link.name)) return false;
    if (action === 'new') this.#note(link);
    this.#listener.device?.(link, action === 'delete');
    return true;
  }

  #findTakers(): void {
    this.#takers.clear();
    for (const link of this.#socket.links()) {
      this.#note(link);
      if (!isNodeEnd(link.name)) this.#listener.device?.(link, false);
    }
  }

  #note(link: Link): void {
    const taken = takenBy(link);
    if (taken !== undefined) this.#takers.set(link.index, taken);
  }

  #tell(): void {
    this.#pending = undefined;
    this.#listener.changed();
  }
}
