// A peer in shared memory and a TAP device as one wire: packets go both ways while both ends are there.
import { type FSWatcher, rmSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { libc, NetlinkError, type Poller, UnixListener, UnixSocket } from '@nsm/netlink';
import { settle } from './event-fd.js';
import type { Moved, Protocol, Queues, ReceiveQueue, Session } from './session.js';
import { showCarrier } from './tap-carrier.js';

export interface SharedTapSpec {
  readonly role: 'server' | 'client';
  /** Where a server listens, and a client finds its server. */
  readonly socket: string;
  /** Open TAP device, taken over. */
  readonly tap: number;
}

/** From the peer, and to it. */
export interface Counters {
  readonly from: Moved;
  readonly to: Moved;
  /** Packets that were thrown away while no peer was at the other end. */
  unheard: number;
}

/** Packets in one turn: enough to be quick, few enough to let others have theirs. */
const budget = 256;
/** Milliseconds until a peer without free buffers, or a pod that is not there or is behind, is looked at again. */
const retryMs = { buffers: 1, peer: 200 };

const behind = 'too many of its descriptors wait to be closed';

export class SharedTap {
  readonly #spec: SharedTapSpec;
  readonly #protocol: Protocol;
  readonly #poller: Poller;
  readonly #counters: Counters;
  readonly #onTapGone: () => void;
  readonly #listener: UnixListener | undefined;
  readonly #watcher: FSWatcher | undefined;
  readonly #watches = new Map<string, Disposable>();
  readonly #pumping = new Set<ReceiveQueue>();
  #session: Session | undefined;
  /** Those of the session that are watched. */
  #queues: Queues | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @throws NetlinkError when the socket cannot be made; the TAP device is closed then. */
  constructor(
    spec: SharedTapSpec,
    protocol: Protocol,
    poller: Poller,
    counters: Counters,
    onTapGone: () => void,
  ) {
    this.#spec = spec;
    this.#protocol = protocol;
    this.#poller = poller;
    this.#counters = counters;
    this.#onTapGone = onTapGone;
    try {
      showCarrier(this.#spec.tap, false);
      this.#watchTap();
      if (spec.role === 'server') {
        rmSync(spec.socket, { force: true });
        this.#listener = new UnixListener(spec.socket, protocol.kind, protocol.share.letGo);
        this.#listen(this.#listener);
      } else {
        this.#watcher = watch(dirname(spec.socket), { persistent: false }, (_event, file) => {
          if (file === basename(spec.socket)) this.#connect();
        });
        this.#watcher.on('error', () => this.#watcher?.close());
        this.#connect();
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end('the connection is closed');
    clearTimeout(this.#timer);
    this.#watcher?.close();
    for (const watch of this.#watches.values()) watch[Symbol.dispose]();
    this.#listener?.close();
    libc.close(this.#spec.tap);
  }

  #listen(listener: UnixListener): void {
    const watch = this.#poller.watch(listener.fd, () => this.#accept(listener));
    this.#watches.set('listener', watch);
  }

  #accept(listener: UnixListener): void {
    if (this.#protocol.share.isBehind) {
      this.#unwatch('listener');
      this.#timer = setTimeout(() => this.#listen(listener), retryMs.peer);
      return;
    }
    const socket = listener.accept(this.#protocol.messageSize);
    if (!socket) return;
    // An application that is connected stays; one that never came so far makes room.
    if (this.#queues) socket.close();
    else {
      this.#end('another client connects');
      this.#begin(socket);
    }
  }

  #connect(): void {
    if (this.#closed || this.#session) return;
    const { messageSize, kind, share } = this.#protocol;
    try {
      if (share.isBehind) throw new Error(behind);
      this.#begin(UnixSocket.connect(this.#spec.socket, messageSize, kind, share.letGo));
    } catch (error) {
      // The socket is not made yet: its folder is watched. Or it is made and has no listener yet: no event will tell of that.
      if (error instanceof NetlinkError && error.code === 'ENOENT') return;
      this.#connectLater();
    }
  }

  #connectLater(): void {
    if (this.#closed || this.#spec.role === 'server') return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), retryMs.peer);
  }

  #begin(socket: UnixSocket): void {
    try {
      const session = this.#protocol.begin(socket);
      this.#session = session;
      this.#watches.set(
        'session',
        this.#poller.watch(session.fd, () => this.#heed(session)),
      );
    } catch (error) {
      if (this.#session) this.#end(String(error));
      else socket.close();
      this.#connectLater();
    }
  }

  #heed(session: Session): void {
    this.#unlessBroken(() => {
      if (this.#protocol.share.isBehind) throw new Error(behind);
      session.heed();
      this.#join(session.queues);
    });
  }

  #join(queues: Queues | undefined): void {
    if (queues === this.#queues) return;
    this.#leave();
    this.#queues = queues;
    if (!queues) return;
    for (const [index, receive] of queues.receive.entries())
      this.#watches.set(
        `ring ${index}`,
        this.#poller.watch(receive.eventfd, () => this.#pump(receive)),
      );
    showCarrier(this.#spec.tap, true);
    for (const receive of queues.receive) this.#pump(receive);
  }

  #leave(): void {
    if (!this.#queues) return;
    for (const index of this.#queues.receive.keys()) this.#unwatch(`ring ${index}`);
    this.#queues = undefined;
    showCarrier(this.#spec.tap, false);
    if (this.#watches.has('room')) this.#fillAgain();
  }

  #watchTap(): void {
    const watch = this.#poller.watch(this.#spec.tap, ({ readable, closed }) => {
      if (closed && !readable) {
        this.#unwatch('tap');
        this.#onTapGone();
      } else this.#fill();
    });
    this.#watches.set('tap', watch);
  }

  #fill(): void {
    const { send } = this.#queues ?? {};
    if (!send) {
      this.#counters.unheard += discard(this.#spec.tap);
      return;
    }
    this.#unlessBroken(() => {
      if (send.fillFrom(this.#spec.tap, budget, this.#counters.to) !== 'full') return;
      // Meanwhile the kernel queues, and drops what is too much.
      this.#unwatch('tap');
      this.#watches.set('room', this.#awaitRoom(send.eventfd));
    });
  }

  #awaitRoom(eventfd: number | undefined): Disposable {
    if (eventfd !== undefined)
      return this.#poller.watch(eventfd, () => {
        settle(eventfd);
        this.#fillAgain();
      });
    const timer = setTimeout(() => this.#fillAgain(), retryMs.buffers);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  #fillAgain(): void {
    this.#unwatch('room');
    this.#watchTap();
  }

  #pump(receive: ReceiveQueue): void {
    if (this.#pumping.has(receive)) return;
    this.#unlessBroken(() => {
      if (!receive.drainTo(this.#spec.tap, budget, this.#counters.from)) return;
      this.#pumping.add(receive);
      setImmediate(() => {
        this.#pumping.delete(receive);
        if (this.#queues?.receive.includes(receive)) this.#pump(receive);
      });
    });
  }

  #unlessBroken(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
      this.#connectLater();
    }
  }

  #end(reason: string): void {
    this.#leave();
    this.#unwatch('session');
    const session = this.#session;
    this.#session = undefined;
    session?.close(reason);
  }

  #unwatch(name: string): void {
    this.#watches.get(name)?.[Symbol.dispose]();
    this.#watches.delete(name);
  }
}

/** Drops the packets that were sent while no peer was at the other end. @returns how many they were. */
function discard(tap: number): number {
  const start = Buffer.allocUnsafe(64);
  let packets = 0;
  while (packets < 4096 && libc.read(tap, start, start.length) > 0) packets++;
  return packets;
}
