// Listens to what happens to links, addresses, routes, neighbours, traffic control and namespace ids, in one namespace or in all it knows.
import { EventEmitter } from 'node:events';
import { DecodeError } from '../decode-error.js';
import { EAGAIN, EINTR, ENOBUFS } from '../libc/errno.js';
import * as libc from '../libc/libc.js';
import { check, NetlinkError } from '../libc/netlink-error.js';
import { Poller } from '../libc/poller.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';
import { messagesIn } from '../protocol/message.js';
import { setReceiveBuffer } from '../protocol/open-netlink.js';
import { NETLINK_ROUTE } from '../protocol/route-messages.js';
import { receiveLossesOnly } from '../protocol/socket-filter.js';
import {
  decodeRouteEvent,
  MONITOR_GROUPS,
  type MonitorGroup,
  mayTellOfLoss,
  type RouteEvent,
} from './route-events.js';

/** Settings of a {@link RouteMonitor}. */
export interface RouteMonitorOptions {
  /** Where to listen; default where the calling thread is. */
  readonly namespace?: NetworkNamespace | undefined;
  /** What to listen to; default everything. */
  readonly groups?: readonly MonitorGroup[] | undefined;
  /** Tell only of what is or may be taken away: deletions, routes put in the place of others, links. The rest is not even decoded. Default false. */
  readonly lossesOnly?: boolean | undefined;
  /**
   * Hear also of what happens in every namespace that this one has an id for (`RouteSocket.setNamespaceId`); events from
   * there carry it as `namespaceId`. The namespaces are not kept alive. Needs CAP_NET_BROADCAST. Default false.
   */
  readonly allNamespaces?: boolean | undefined;
  /** Default: one of its own, closed with the monitor. */
  readonly poller?: Poller | undefined;
  /** Closes the monitor when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes the kernel may hold back for us before it drops events; default 4 MB. */
  readonly receiveBuffer?: number | undefined;
}

/** Events of a {@link RouteMonitor}: one per type, `event` for all, `close` when it is over, and `error` when it failed. */
export interface RouteMonitorEvents {
  link: [event: EventOf<'link'>];
  address: [event: EventOf<'address'>];
  route: [event: EventOf<'route'>];
  neighbour: [event: EventOf<'neighbour'>];
  traffic: [event: EventOf<'traffic'>];
  setting: [event: EventOf<'setting'>];
  nsid: [event: EventOf<'nsid'>];
  overrun: [event: EventOf<'overrun'>];
  /** Every event. */
  event: [event: RouteEvent];
  /** The monitor is closed: undefined when asked to, the signal's reason, or the error that ended it. */
  close: [reason: unknown];
  /**
   * The monitor has ended without being asked to, and whoever used it hears nothing any more. Without a listener, and outside an
   * iteration, the error is an uncaught exception (node:events), which ends the thread: a restart hears everything again.
   */
  error: [error: NetlinkError];
}

type EventOf<K extends RouteEvent['type']> = Extract<RouteEvent, { type: K }>;

const NETLINK_LISTEN_ALL_NSID = 8;
const SOCKADDR_NL_SIZE = 12;
const CMSG_HEADER_SIZE = 16;
const DEFAULT_RECEIVE_BUFFER = 4 << 20;
// So many datagrams are read before the event loop gets its turn.
const DATAGRAMS_PER_TURN = 64;
// Beyond that an iterator that does not keep up loses events, and is told so by an overrun.
const QUEUE_LIMIT = 16_384;

/**
 * One listening socket. It holds its own namespace open until closed. Use it by events, or by `for await`, which ends when
 * the monitor closes, and throws when it fails; what happens before iteration begins is not seen by it.
 */
export class RouteMonitor
  extends EventEmitter<RouteMonitorEvents>
  implements AsyncIterable<RouteEvent>, Disposable
{
  #fd: number;
  readonly #receiver = new libc.MessageReceiver(64 * 1024, 256);
  readonly #poller: Poller;
  readonly #ownPoller: boolean;
  readonly #watch: Disposable;
  readonly #signal: AbortSignal | undefined;
  readonly #lossesOnly: boolean;
  readonly #abort = (): void => this.#end(this.#signal?.reason);

  private constructor(fd: number, options: RouteMonitorOptions) {
    super();
    this.#fd = fd;
    this.#ownPoller = options.poller === undefined;
    this.#poller = options.poller ?? new Poller();
    this.#watch = this.#poller.watch(fd, () => this.#read());
    this.#lossesOnly = options.lossesOnly ?? false;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Starts listening: what happens from now on is heard. @throws NetlinkError, NamespaceError, the signal's reason */
  static open(options: RouteMonitorOptions = {}): RouteMonitor {
    options.signal?.throwIfAborted();
    const type = libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK;
    const create = (): number => libc.socket(libc.AF_NETLINK, type, NETLINK_ROUTE);
    const fd = options.namespace === undefined ? create() : options.namespace.run(create);
    check(fd, 'open netlink socket', '');
    try {
      setReceiveBuffer(fd, options.receiveBuffer ?? DEFAULT_RECEIVE_BUFFER);
      if (options.allNamespaces === true)
        check(
          libc.setSocketOption(fd, libc.SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1),
          'listen to all namespaces',
          '',
        );
      if (options.lossesOnly === true) receiveLossesOnly(fd);
      let groups = 0;
      for (const name of options.groups ?? (Object.keys(MONITOR_GROUPS) as MonitorGroup[]))
        for (const group of MONITOR_GROUPS[name]) groups |= 1 << (group - 1);
      const address = Buffer.alloc(SOCKADDR_NL_SIZE);
      address.writeUInt16LE(libc.AF_NETLINK, 0);
      address.writeUInt32LE(groups >>> 0, 8);
      check(libc.bind(fd, address, address.length), 'listen to netlink groups', '');
      return new RouteMonitor(fd, options);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /** −1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Stops listening, ends iterations, emits `close`. Harmless when repeated. */
  close(): void {
    this.#end(undefined);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RouteEvent, void, undefined> {
    let queue: RouteEvent[] = [];
    let wake: (() => void) | undefined;
    let closed = this.#fd < 0;
    let failure: NetlinkError | undefined;
    const onEvent = (event: RouteEvent): void => {
      if (queue.length < QUEUE_LIMIT) queue.push(event);
      else if (queue.at(-1)?.type !== 'overrun') queue.push({ type: 'overrun' });
      wake?.();
    };
    const onClose = (): void => {
      closed = true;
      wake?.();
    };
    const onError = (error: NetlinkError): void => {
      failure = error;
    };
    this.on('event', onEvent).on('error', onError).on('close', onClose);
    try {
      for (;;) {
        const batch = queue;
        queue = [];
        yield* batch;
        if (queue.length > 0) continue;
        if (failure) throw failure;
        if (closed) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.off('event', onEvent).off('error', onError).off('close', onClose);
    }
  }

  #end(reason: unknown): void {
    if (this.#fd < 0) return;
    this.#watch[Symbol.dispose]();
    if (this.#ownPoller) this.#poller.close();
    libc.close(this.#fd);
    this.#fd = -1;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.emit('close', reason);
  }

  #fail(error: NetlinkError): void {
    this.#end(error);
    this.emit('error', error);
  }

  // A listener may close the monitor at any time.
  #read(): void {
    for (let turn = 0; turn < DATAGRAMS_PER_TURN && this.#fd >= 0; turn++) {
      const size = this.#receiver.receive(this.#fd, libc.MSG_DONTWAIT | libc.MSG_TRUNC);
      if (size === -EAGAIN) return;
      if (size === -EINTR) continue;
      // The kernel dropped events (netlink(7)), or one that exceeds the buffer is lost.
      if (size === -ENOBUFS || size > this.#receiver.data.length) this.#report({ type: 'overrun' });
      else if (size < 0) this.#fail(new NetlinkError(-size, 'listen', ''));
      else this.#datagram(size);
    }
  }

  #datagram(size: number): void {
    const namespaceId = this.#namespaceId();
    const events: RouteEvent[] = [];
    try {
      for (const message of messagesIn(this.#receiver.data, size)) {
        if (this.#lossesOnly && !mayTellOfLoss(message)) continue;
        const event = decodeRouteEvent(message, namespaceId);
        if (event !== undefined) events.push(event);
      }
    } catch (error) {
      // What cannot be read is as good as lost.
      if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
      events.push({ type: 'overrun' });
    }
    for (const event of events) this.#report(event);
  }

  #report(event: RouteEvent): void {
    // The compiler cannot see that an event's type and its listeners' argument go together.
    (this as EventEmitter).emit(event.type, event);
    this.emit('event', event);
  }

  // The control message the kernel adds under NETLINK_LISTEN_ALL_NSID; absent for events of our own namespace.
  #namespaceId(): number | undefined {
    const { control, controlLength } = this.#receiver;
    let at = 0;
    while (controlLength - at >= CMSG_HEADER_SIZE) {
      const length = control.readUInt32LE(at);
      if (length < CMSG_HEADER_SIZE) return undefined;
      const level = control.readInt32LE(at + 8);
      const type = control.readInt32LE(at + 12);
      if (level === libc.SOL_NETLINK && type === NETLINK_LISTEN_ALL_NSID)
        return control.readInt32LE(at + CMSG_HEADER_SIZE);
      at += (length + 7) & ~7;
    }
    return undefined;
  }
}
