// Tells at once when a pod's network namespace dies or one of our interfaces disappears, without holding either alive.
import type { forwarder as fw } from '@nsm/api';
import { type NetworkNamespace, type RouteEvent, RouteMonitor, type RouteSocket } from '@nsm/netlink';

type Event = Pick<fw.ForwarderEvent, 'event'>;

/**
 * Each pod's namespace gets an id in the node's namespace (RTM_NEWNSID). The kernel then reports both the events
 * inside it (NETLINK_LISTEN_ALL_NSID, netlink(7)) and its end (RTM_DELNSID) to one socket of ours.
 */
export class NodeWatch {
  readonly #socket: RouteSocket;
  readonly #monitor: RouteMonitor;
  readonly #inodes = new Map<number, number>();
  readonly #ids = new Map<number, number>();
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #stop = new AbortController();

  constructor(socket: RouteSocket) {
    this.#socket = socket;
    this.#monitor = RouteMonitor.open({ groups: ['link', 'nsid'], actions: ['delete'], allNamespaces: true });
    this.#monitor.on('event', (event) => this.#heed(event));
  }

  /** Has the kernel report on a namespace from now on. */
  follow(namespace: NetworkNamespace): void {
    if (this.#ids.has(namespace.inode)) return;
    const id = this.#socket.namespaceId(namespace) ?? this.#socket.setNamespaceId(namespace);
    this.#ids.set(namespace.inode, id);
    this.#inodes.set(id, namespace.inode);
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
  }

  #heed(event: RouteEvent): void {
    if (event.type === 'link' && event.action === 'delete' && isId(event.link.alias)) {
      this.#tell({ event: { case: 'interfaceGone', value: event.link.alias } });
    } else if (event.type === 'nsid' && event.action === 'delete' && event.namespaceId === undefined) {
      const inode = this.#inodes.get(event.id);
      if (inode === undefined) return;
      this.#inodes.delete(event.id);
      this.#ids.delete(inode);
      this.#tell({ event: { case: 'namespaceGone', value: inode } });
    }
  }

  #tell(event: Event): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** Ids have a colon; other aliases of ours, and people's, have spaces as well. */
function isId(alias: string | undefined): alias is string {
  return alias !== undefined && /^\S+:\S+$/.test(alias);
}
