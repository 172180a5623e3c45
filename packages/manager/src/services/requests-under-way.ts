// Requests of clients that have no answer yet, wherever on their way they are: who closes a connection ends those for it, too.
import { NsmError, type PeerCredentials } from '@nsm/api';

type Asked = Readonly<Record<'requestId' | 'networkServiceName', string>>;

interface UnderWay {
  readonly peer: PeerCredentials | undefined;
  readonly closed: AbortController;
  readonly done: Promise<unknown>;
}

export class RequestsUnderWay {
  readonly #requests = new Map<string, Set<UnderWay>>();

  /** @param work what answers the request, until the signal aborts. */
  async run<T>(
    asked: Asked,
    peer: PeerCredentials | undefined,
    work: (closed: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const key = keyOf(asked);
    const same = this.#requests.get(key) ?? new Set();
    const closed = new AbortController();
    const answer = work(closed.signal);
    const request = { peer, closed, done: answer.catch(() => undefined) };
    this.#requests.set(key, same.add(request));
    try {
      return await answer;
    } finally {
      same.delete(request);
      if (same.size === 0) this.#requests.delete(key);
    }
  }

  /**
   * Ends requests for a connection, and waits until nothing of them is left.
   * @param isMeant by who asks.
   * @returns whether there were any.
   */
  async end(asked: Asked, isMeant: (peer: PeerCredentials | undefined) => boolean): Promise<boolean> {
    const ended = [...(this.#requests.get(keyOf(asked)) ?? [])].filter(({ peer }) => isMeant(peer));
    for (const { closed } of ended)
      closed.abort(new NsmError('conflict', 'the connection was closed while it was being made'));
    await Promise.all(ended.map(({ done }) => done));
    return ended.length > 0;
  }
}

function keyOf({ requestId, networkServiceName }: Asked): string {
  return `${networkServiceName}/${requestId}`;
}
