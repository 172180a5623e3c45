// Tells at once when a pod's network namespace dies, or when someone takes away one of our interfaces, its addresses or its
// routes, without holding either alive.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Backlog, type forwarder as fw } from '@nsm/api';
import { type RouteEvent, RouteMonitor, type RouteSocket } from '@nsm/netlink';
import { namespaceCookie, type OpenPort } from './port/open-port.js';

type Event = MessageInitShape<typeof fw.ForwarderEventSchema>;

/** A watcher that is this many events behind is cut off; it compares everything when it watches again. */
const maxBacklog = 65_536;

/** A namespace that the kernel reports on, and the cross-connects in it by index of their interfaces. */
interface Followed {
  readonly key: bigint;
  readonly inode: number;
  readonly cookie: bigint;
  readonly interfaces: Map<number, FollowedInterface>;
}

interface FollowedInterface {
  /** The cross-connect's. */
  readonly id: string;
  /** Bytes. */
  readonly mtu: number;
}

/**
 * Each pod's namespace gets an id in the node's namespace (RTM_NEWNSID). The kernel then reports both the events
 * inside it (NETLINK_LISTEN_ALL_NSID, netlink(7)) and its end (RTM_DELNSID) to one socket of ours.
 */
export class NodeWatch {
  readonly #socket: RouteSocket;
  readonly #home: bigint;
  readonly #monitor: RouteMonitor;
  /** By the id that the node's namespace gave them; itself under `undefined`. */
  readonly #byId = new Map<number | undefined, Followed>();
  readonly #byKey = new Map<bigint, Followed>();
  readonly #places = new Map<string, { readonly followed: Followed; readonly index: number }[]>();
  readonly #changed = new Set<string>();
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #stop = new AbortController();

  constructor(socket: RouteSocket) {
    this.#socket = socket;
    this.#home = namespaceCookie(socket);
    this.#monitor = RouteMonitor.open({
      groups: ['link', 'address', 'route', 'nsid'],
      lossesOnly: true,
      allNamespaces: true,
    });
    // A monitor that fails ends the thread: deaf, the node would keep what has gone.
    this.#monitor.on('event', (event) => this.#heed(event));
  }

  /** Reports on a cross-connect's interface in that namespace, if there is one, and on the namespace, from now on. */
  follow(id: string, open: OpenPort, index?: number): void {
    const followed = this.#follow(open);
    if (index === undefined) return;
    followed.interfaces.set(index, { id, mtu: open.port.mtu });
    this.#places.set(id, [...(this.#places.get(id) ?? []), { followed, index }]);
  }

  /** The index that a cross-connect's interface in a namespace was followed by, whatever its name is now. */
  indexOf(id: string, { inode }: { readonly inode: number }): number | undefined {
    return this.#places.get(id)?.find(({ followed }) => followed.inode === inode)?.index;
  }

  /** What becomes of a cross-connect's interfaces is our own doing from now on. */
  unfollow(id: string): void {
    for (const { followed, index } of this.#places.get(id) ?? [])
      if (followed.interfaces.get(index)?.id === id) followed.interfaces.delete(index);
    this.#places.delete(id);
    this.#changed.delete(id);
  }

  /** @throws NsmError `overload` for a watcher that is too far behind. */
  async *events(signal: AbortSignal): AsyncGenerator<Event> {
    const backlog = new Backlog<Event>(() => maxBacklog);
    const listener = (event: Event): void => backlog.push(event);
    this.#listeners.add(listener);
    try {
      yield* backlog.read(AbortSignal.any([signal, this.#stop.signal]));
    } finally {
      this.#listeners.delete(listener);
    }
  }

  stop(): void {
    this.#stop.abort();
    this.#monitor.close();
  }

  /** Parts of these cross-connects that the kernel does not know of were lost. */
  lost(ids: readonly string[]): void {
    for (const id of ids) this.#tellChanged(id);
  }

  /** Inodes are given again while the kernel still takes their former namespaces apart; cookies never are. */
  #follow({ namespace, socket }: OpenPort): Followed {
    const cookie = namespaceCookie(socket);
    const key = cookie || BigInt(namespace.inode);
    const known = this.#byKey.get(key);
    if (known) return known;
    const id =
      key === this.#home
        ? undefined
        : (this.#socket.namespaceId(namespace) ?? this.#socket.setNamespaceId(namespace));
    const followed: Followed = { key, inode: namespace.inode, cookie, interfaces: new Map() };
    // An id is given again as soon as its namespace has gone, which may not be told yet.
    this.#tellEnd(id);
    this.#byId.set(id, followed);
    this.#byKey.set(key, followed);
    return followed;
  }

  #heed(event: RouteEvent): void {
    if (event.type === 'overrun') for (const id of this.#places.keys()) this.#tellChanged(id);
    // Other namespaces tell of the ends of their ids as well.
    else if (event.type === 'nsid') {
      // An id that is taken has been given again since: its former namespace has gone, and not the one that has it now.
      if (event.namespaceId === undefined && !this.#socket.isNamespaceIdTaken(event.id))
        this.#tellEnd(event.id);
    } else if (event.type !== 'traffic' && event.type !== 'setting') {
      const interfaces = this.#byId.get(event.namespaceId)?.interfaces;
      // A route may have been put in the place of one of any of them.
      if (event.type === 'route' && event.action === 'new')
        for (const { id } of interfaces?.values() ?? []) this.#tellChanged(id);
      const known = interfaces?.get(indexOf(event) ?? 0);
      if (known && !isAsWanted(event, known)) this.#tellChanged(known.id);
    }
  }

  #tellEnd(id: number | undefined): void {
    const followed = this.#byId.get(id);
    if (!followed) return;
    const { key, inode, cookie } = followed;
    this.#byId.delete(id);
    this.#byKey.delete(key);
    this.tell({ event: { case: 'namespaceGone', value: { inode, cookie } } });
  }

  /** An interface that goes takes addresses and routes with it: they are told of as one. */
  #tellChanged(id: string): void {
    if (this.#changed.size === 0) setImmediate(() => this.#tellAllChanged());
    this.#changed.add(id);
  }

  #tellAllChanged(): void {
    const ids = [...this.#changed];
    this.#changed.clear();
    for (const value of ids) this.tell({ event: { case: 'interfaceChanged', value } });
  }

  /** Tells all who listen. */
  tell(event: Event): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** An interface that is being made is down, too, but does not bear its id yet. */
function isAsWanted(event: RouteEvent, { id, mtu }: FollowedInterface): boolean {
  if (event.type !== 'link' || event.action === 'delete') return false;
  const { link } = event;
  return link.alias !== id || (link.up && (mtu === 0 || link.mtu === mtu));
}

function indexOf(
  event: Exclude<RouteEvent, { type: 'overrun' | 'nsid' | 'traffic' | 'setting' }>,
): number | undefined {
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
