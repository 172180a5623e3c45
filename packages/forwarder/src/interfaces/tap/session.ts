// A protocol of shared memory, as the wire to a TAP device uses it: a control connection, and queues.
import type { UnixSocket, UnixSocketKind } from '@nsm/netlink';
import type { MemoryShare } from './memory-shares.js';

/** What was moved. */
export interface Moved {
  packets: number;
  bytes: number;
  drops: number;
}

/** Packets from the peer. */
export interface ReceiveQueue {
  /** Readable when there may be packets. */
  readonly eventfd: number;
  /**
   * Moves up to `budget` packets to a descriptor.
   * @returns true when there are more; else the peer tells of the next by {@link eventfd}.
   * @throws Error when the peer breaks the protocol.
   */
  drainTo(fd: number, budget: number, moved: Moved): boolean;
}

/** Packets to the peer. */
export interface SendQueue {
  /** Readable when there may be room again. Undefined where the peer does not tell. */
  readonly eventfd?: number;
  /**
   * Moves up to `budget` packets from a descriptor.
   * @returns `'empty'` when there are no more, `'full'` when the peer has no room: then it tells by {@link eventfd}.
   * @throws Error when the peer breaks the protocol.
   */
  fillFrom(fd: number, budget: number, moved: Moved): 'empty' | 'full' | 'more';
}

export interface Queues {
  readonly receive: readonly ReceiveQueue[];
  readonly send: SendQueue;
}

/** Messages of one turn: no peer keeps others waiting. */
export const messagesAtOnce = 64;

/** One control connection, from the first message to the end. */
export interface Session {
  /** Readable when the peer has said something. */
  readonly fd: number;
  /** Undefined while the peers do not agree. Others take their place when the peer changes them. */
  readonly queues: Queues | undefined;
  /**
   * Answers what the peer has said, {@link messagesAtOnce} messages of it at most.
   * @throws Error when the session is over: the peer has gone, said so, or broke the protocol. `close()` is next.
   */
  heed(): void;
  /** The queues must not be used any more. @param reason told to the peer, where the protocol can. */
  close(reason: string): void;
}

/** How a protocol speaks over its socket. */
export interface Protocol {
  readonly kind: UnixSocketKind;
  /** Bytes of the largest message. */
  readonly messageSize: number;
  /** Of the pod that the peer is in. */
  readonly share: Pick<MemoryShare, 'letGo' | 'isBehind'>;
  /** Takes over the socket. */
  begin(socket: UnixSocket): Session;
}
