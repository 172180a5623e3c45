// All times, bounds and back-offs of the lives of connections. Milliseconds, unless a name says otherwise.
import type { Clock } from '../clock.js';

/** A pause that grows with each failure in a row, up to a longest. */
export interface BackOff {
  readonly firstMs: number;
  readonly longestMs: number;
}

export const timing = {
  /** Between two attempts to connect a client elsewhere: the first comes at once. */
  reconnect: { firstMs: 50, longestMs: 5000 },
  /** Between two attempts to tell a manager that does not answer of an end. */
  tell: { firstMs: 500, longestMs: 30_000 },
  /** Between two attempts at what the forwarder did not do. */
  retry: { firstMs: 200, longestMs: 30_000 },
  /** Until clients of a silent node, which no other endpoint could take, are offered to other endpoints again. */
  offer: { firstMs: 1000, longestMs: 10_000 },

  /** Within which the manager of a lost endpoint must have heard: its client shall not wait for a dead node. */
  hearWithinMs: 1000,
  /** Within which a packet must come back from the other node, where one came back before. */
  answerWithinMs: 1000,
  /** So many times in a row a connection could not be mended before it is made anew: a change may have come in between. */
  mendsUntilLost: 3,
  /** The same where other differences were mended meanwhile: whoever undoes them makes a mend fail half-way, and would again. */
  undoneMendsUntilLost: 10,
  /** In which every connection is compared once with the kernel, also where no event told of a difference. */
  compareRoundMs: 30_000,
  /** Between two such comparisons, when there are few connections. */
  compareGapMs: 1000,

  /** For which an endpoint that leaves waits for its connections to move. */
  leavePatienceMs: 10_000,
  /** For which a connection that moved is kept for packets on their way through it: more than they take to another node and back. */
  lingerMs: 100,

  /** Between two calls of one other manager. */
  callAgainMs: 500,
  /** Within which the other manager must answer. */
  callAnswerMs: 1000,
  /** So many calls in a row without an answer make a manager silent. */
  callsUntilSilent: 2,
  /** After which all connections are compared with the other manager's again, though it did not restart. */
  compareWithPeerMs: 30_000,
  /** Without an answer from a client and its manager, after which the endpoint's half of a connection is taken for an orphan. */
  orphanedMs: 300_000,

  /** So many connections to one node stand for all: they share its fate. */
  probeSamples: 4,
  /** So many probes in a row that nothing came back from make a node silent: fewer, and a hiccup of the network moves all clients. */
  failuresUntilDown: 3,

  /**
   * Whether packets of full size come back from a node: within which they must, until it is tried again, and the same where they did
   * not. Between nodes of one site an answer takes less than a millisecond, around the earth 300.
   */
  trySizes: { answerMs: 400, afterMs: 60_000, soonMs: 10_000 },

  /** For which an underlay address may be away: an uplink moves, a lease is renewed. */
  addressAwayMs: 1000,

  /** Until a forwarder that has gone is called again. */
  callForwarderAgainMs: 200,
} as const;

/** @param failures in a row so far, at least 1. @returns milliseconds: 2^(n-1) times the first, and up to half of it less, so that many do not come at once. */
export function pauseAfter(
  failures: number,
  { firstMs, longestMs }: BackOff,
  clock: Pick<Clock, 'random'>,
): number {
  const pauseMs = Math.min(firstMs * 2 ** (failures - 1), longestMs);
  return pauseMs * (0.5 + clock.random() / 2);
}
