// Tells at once when a pod's network namespace dies, or when someone takes away one of our interfaces, its addresses or its
// routes, without holding either alive.
import type { forwarder as fw } from '@nsm/api';
import {
  currentNamespace,
  type NetworkNamespace,
  type RouteEvent,
  RouteMonitor,
  type RouteSocket,
} from '@nsm/netlink';

type Event = Pick<fw.ForwarderEvent, 'event'>;

/**
 * Each pod's namespace gets an id in the node's namespace (RTM_NEWNSID). The kernel then reports both the events
 * inside it (NETLINK_LISTEN_ALL_NSID, netlink(7)) and its end (RTM_DELNSID) to one socket of ours.
 */
export class NodeWatch {
  readonly #socket: RouteSocket;
  readonly #home: NetworkNamespace = currentNamespace();
  readonly #monitor: RouteMonitor;
  readonly #inodes = new Map<number, number>();
  readonly #ids = new Map<number, number>();
  /** Ids of cross-connects by where their interfaces are. */
  readonly #interfaces = new Map<string, string>();
  readonly #places = new Map<string, string[]>();
  readonly #changed = new Set<string>();
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #stop = new AbortController();

  constructor(socket: RouteSocket) {
    this.#socket = socket;
    this.#monitor = RouteMonitor.open({
      groups: ['link', 'address', 'route', 'nsid'],
      lossesOnly: true,
      allNamespaces: true,
    });
    this.#monitor.on('event', (event) => this.#heed(event));
  }

  /** Reports on a cross-connect's interface, and on its namespace, from now on. */
  follow(id: string, namespace: NetworkNamespace, index: number): void {
    const place = `${this.#idOf(namespace)}/${index}`;
    if (this.#interfaces.get(place) === id) return;
    this.#interfaces.set(place, id);
    this.#places.set(id, [...(this.#places.get(id) ?? []), place]);
  }

  /** What becomes of a cross-connect's interfaces is our own doing from now on. */
  unfollow(id: string): void {
    for (const place of this.#places.get(id) ?? []) this.#interfaces.delete(place);
    this.#places.delete(id);
    this.#changed.delete(id);
  }

  async *events(signal: AbortSignal): AsyncGenerator<Event> {
    const queue: Event[] = [];
    let wake = (): void => undefined;
    const listener = (event: Event): void => {
      queue.push(event);
      wake();
    };
    const stop = AbortSignal.any([signal, this.#stop.signal]);
    stop.addEventListener('abort', () => wake(), { once: true });
    this.#listeners.add(listener);
    try {
      while (!stop.aborted) {
        yield* queue.splice(0);
        if (queue.length > 0 || stop.aborted) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }

  stop(): void {
    this.#stop.abort();
    this.#monitor.close();
    this.#home.close();
  }

  /** The id by which the node's namespace knows another; undefined for itself. */
  #idOf(namespace: NetworkNamespace): number | undefined {
    if (namespace.inode === this.#home.inode) return undefined;
    const known = this.#ids.get(namespace.inode);
    if (known !== undefined) return known;
    const id = this.#socket.namespaceId(namespace) ?? this.#socket.setNamespaceId(namespace);
    this.#ids.set(namespace.inode, id);
    this.#inodes.set(id, namespace.inode);
    return id;
  }

  #heed(event: RouteEvent): void {
    if (event.type === 'overrun') for (const id of this.#places.keys()) this.#tellChanged(id);
    else if (event.type === 'nsid') this.#heedEnd(event.id);
    else {
      const index = indexOf(event);
      const id = this.#interfaces.get(`${event.namespaceId}/${index}`);
      if (id !== undefined) this.#tellChanged(id);
    }
  }

  #heedEnd(namespaceId: number): void {
    const inode = this.#inodes.get(namespaceId);
    if (inode === undefined) return;
    this.#inodes.delete(namespaceId);
    this.#ids.delete(inode);
    // Another namespace may get its id.
    for (const place of this.#interfaces.keys())
      if (place.startsWith(`${namespaceId}/`)) this.#interfaces.delete(place);
    this.#tell({ event: { case: 'namespaceGone', value: inode } });
  }

  /** An interface that goes takes addresses and routes with it: they are told of as one. */
  #tellChanged(id: string): void {
    if (this.#changed.size === 0) setImmediate(() => this.#tellAllChanged());
    this.#changed.add(id);
  }

  #tellAllChanged(): void {
    const ids = [...this.#changed];
    this.#changed.clear();
    for (const value of ids) this.#tell({ event: { case: 'interfaceChanged', value } });
  }

  #tell(event: Event): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function indexOf(event: Exclude<RouteEvent, { type: 'overrun' | 'nsid' }>): number | undefined {
  switch (event.type) {
    case 'link':
      return event.link.index;
    case 'address':
      return event.address.index;
    case 'route':
      return event.route.device;
    case 'neighbour':
      return undefined;
  }
}
