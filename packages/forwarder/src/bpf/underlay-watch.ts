// Tells when the underlay may have changed: tunnels follow at once, not when they are applied again.
import { type RouteEvent, RouteMonitor } from '@nsm/netlink';
import { isNodeEnd } from './node-end.js';

/** Listens in the namespace of the calling thread; idle until it is started. */
export class UnderlayWatch {
  readonly #concerns: (event: RouteEvent) => boolean;
  readonly #changed: () => void;
  #monitor: RouteMonitor | undefined;
  #pending: NodeJS.Immediate | undefined;

  /**
   * @param neighbour whether the entry of an address matters.
   * @param changed called once for all events that came together.
   */
  constructor(neighbour: (address: string) => boolean, changed: () => void) {
    this.#concerns = (event) => {
      // Pods that come and go change nothing.
      if (event.type === 'link') return !isNodeEnd(event.link.name);
      return event.type !== 'neighbour' || neighbour(event.neighbour.address ?? '');
    };
    this.#changed = changed;
  }

  /** Does nothing when it listens already. @throws NetlinkError */
  start(): void {
    if (this.#monitor) return;
    this.#monitor = RouteMonitor.open({ groups: ['link', 'address', 'route', 'neighbour'] });
    this.#monitor.on('event', (event) => {
      if (this.#concerns(event)) this.#pending ??= setImmediate(() => this.#tell());
    });
  }

  stop(): void {
    this.#monitor?.close();
    this.#monitor = undefined;
    clearImmediate(this.#pending);
    this.#pending = undefined;
  }

  #tell(): void {
    this.#pending = undefined;
    this.#changed();
  }
}
