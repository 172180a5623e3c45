// A memif and a TAP device as one wire: packets go from the one to the other while both are there.
import { type FSWatcher, rmSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { libc, NetlinkError, PacketListener, PacketSocket, type Poller, setTapCarrier } from '@nsm/netlink';
import { messageSize } from './memif-messages.js';
import type { Moved } from './memif-queues.js';
import { type MemifQueues, MemifSession, type MemifSettings } from './memif-session.js';

export interface MemifTapSpec extends MemifSettings {
  /** Where a server listens, and a client finds its server. */
  readonly socket: string;
  /** Open TAP device, taken over. */
  readonly tap: number;
}

/** Packets in one turn: enough to be quick, few enough to let others have theirs. */
const budget = 256;
/** Milliseconds until a peer without free buffers, or a server that is not there, is looked at again. */
const lookAgain = { buffers: 1, server: 200 };

export class MemifTap {
  readonly #spec: MemifTapSpec;
  readonly #poller: Poller;
  /** From the memif, and to it. */
  readonly #counters: { readonly from: Moved; readonly to: Moved };
  readonly #onTapGone: () => void;
  readonly #listener: PacketListener | undefined;
  readonly #watcher: FSWatcher | undefined;
  readonly #watches = new Map<string, Disposable>();
  #session: MemifSession | undefined;
  #timer: NodeJS.Timeout | undefined;
  #full: NodeJS.Timeout | undefined;
  #pumping = false;
  #closed = false;

  /** @throws NetlinkError when the socket cannot be made; the TAP device is closed then. */
  constructor(
    spec: MemifTapSpec,
    poller: Poller,
    counters: { readonly from: Moved; readonly to: Moved },
    onTapGone: () => void,
  ) {
    this.#spec = spec;
    this.#poller = poller;
    this.#counters = counters;
    this.#onTapGone = onTapGone;
    this.#carrier(false);
    try {
      this.#watchTap();
      if (spec.role === 'server') {
        rmSync(spec.socket, { force: true });
        const listener = new PacketListener(spec.socket);
        this.#listener = listener;
        this.#watches.set(
          'listener',
          poller.watch(listener.fd, () => this.#accept(listener)),
        );
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
    clearTimeout(this.#full);
    this.#watcher?.close();
    for (const watch of this.#watches.values()) watch[Symbol.dispose]();
    this.#listener?.close();
    libc.close(this.#spec.tap);
  }

  #accept(listener: PacketListener): void {
    const socket = listener.accept(messageSize);
    if (!socket) return;
    // One that is connected stays; one that never got there makes room.
    if (this.#session?.queues) socket.close();
    else {
      this.#end('another client connects');
      this.#begin(socket);
    }
  }

  #connect(): void {
    if (this.#closed || this.#session) return;
    try {
      this.#begin(PacketSocket.connect(this.#spec.socket, messageSize));
    } catch (error) {
      // Not made yet: its folder is watched. Made, and nobody listens yet: it will not tell.
      if (error instanceof NetlinkError && error.code === 'ENOENT') return;
      this.#connectLater();
    }
  }

  #connectLater(): void {
    if (this.#closed || this.#spec.role === 'server') return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), lookAgain.server);
  }

  #begin(socket: PacketSocket): void {
    try {
      const session = new MemifSession(socket, this.#spec);
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

  #heed(session: MemifSession): void {
    this.#unlessBroken(() => {
      const before = session.queues;
      session.heed();
      if (session.queues && !before) this.#join(session.queues);
    });
  }

  #join(queues: MemifQueues): void {
    this.#watches.set(
      'ring',
      this.#poller.watch(queues.receive.eventfd, () => {
        queues.receive.awake();
        this.#pump();
      }),
    );
    this.#carrier(true);
    this.#pump();
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
    const { send } = this.#session?.queues ?? {};
    if (!send) {
      discard(this.#spec.tap);
      return;
    }
    this.#unlessBroken(() => {
      if (send.fillFrom(this.#spec.tap, budget, this.#counters.to) !== 'full') return;
      // The peer does not tell when it has taken something; meanwhile the kernel queues, and drops what is too much.
      this.#unwatch('tap');
      this.#full = setTimeout(() => this.#watchTap(), lookAgain.buffers);
    });
  }

  #pump(): void {
    const { receive } = this.#session?.queues ?? {};
    if (!receive || this.#pumping) return;
    this.#unlessBroken(() => {
      receive.wantsInterrupt = false;
      receive.drainTo(this.#spec.tap, budget, this.#counters.from);
      if (receive.empty) receive.wantsInterrupt = true;
      // What came before interrupts were wanted again has sent none.
      if (receive.empty) return;
      this.#pumping = true;
      setImmediate(() => {
        this.#pumping = false;
        this.#pump();
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
    for (const name of ['session', 'ring']) this.#unwatch(name);
    const session = this.#session;
    this.#session = undefined;
    session?.close(reason);
    this.#carrier(false);
  }

  #unwatch(name: string): void {
    this.#watches.get(name)?.[Symbol.dispose]();
    this.#watches.delete(name);
  }

  /** Without a peer the device has no carrier: nothing gathers in it. */
  #carrier(on: boolean): void {
    try {
      setTapCarrier(this.#spec.tap, on);
    } catch {
      // A kernel before 4.20, or the device has gone.
    }
  }
}

/** What was sent while nobody was at the other end is old. */
function discard(tap: number): void {
  const frame = Buffer.allocUnsafe(65_536);
  for (let n = 0; n < 4096 && libc.read(tap, frame, frame.length) > 0; n++);
}
