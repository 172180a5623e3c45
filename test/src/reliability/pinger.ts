// A hundred pings a second through a connection: which were answered, when, and by which endpoint.
import { type Running, spawnIn, waitFor } from '@nsm/testkit';

interface Reply {
  readonly sequence: number;
  /** Milliseconds since the Unix epoch. */
  readonly sent: number;
  readonly received: number;
  /** Tells endpoints apart: each pod has its own. */
  readonly ttl: number;
}

/** What a failure cost. */
export interface Outage {
  readonly sent: number;
  readonly lost: number;
  /** Milliseconds from the origin until packets flowed again for good; 0 when none was lost. */
  readonly recovery: number;
}

/** Packets in a row that make a flow. */
const enough = 20;
const answer = /^\[(\d+\.\d+)\] .*icmp_seq=(\d+) ttl=(\d+) time=([\d.]+) ms$/;

export class Pinger implements AsyncDisposable {
  readonly #running: Running;
  readonly #replies: Reply[] = [];
  #read = 0;

  private constructor(running: Running) {
    this.#running = running;
  }

  /** Starts in a namespace; the first packets may still be lost. */
  static async start(namespace: string, address: string): Promise<Pinger> {
    return new Pinger(await spawnIn(namespace, 'ping', ['-n', '-D', '-i', '0.01', address]));
  }

  /** Waits until packets flow that were sent after `since` (milliseconds since the epoch), answered with the TTL `by`. */
  async flowing(since: number, timeout: number, by?: number): Promise<void> {
    await waitFor(
      () => {
        const last = this.#answers().slice(-enough);
        const [first] = last;
        return (
          last.length === enough &&
          first &&
          first.sent > since &&
          last.at(-1)?.sequence === first.sequence + enough - 1 &&
          last.every(({ ttl }) => by === undefined || ttl === by)
        );
      },
      { timeout, what: 'packets flowing again' },
    );
  }

  /**
   * Counts from the first answer to the last.
   * @param origin from when recovery is counted, milliseconds since the epoch
   * @param by TTL of the endpoint that has to answer before it counts as recovered; undefined: any
   */
  outage(origin: number, by?: number): Outage {
    const replies = this.#answers().toSorted((a, b) => a.sequence - b.sequence);
    const [first] = replies;
    const last = replies.at(-1);
    if (!first || !last) throw new Error(`no ping was answered: ${this.#running.output()}`);
    let lastLost = 0;
    for (const [index, { sequence }] of replies.entries())
      if (index > 0 && replies[index - 1]!.sequence < sequence - 1) lastLost = sequence - 1;
    const again = replies.find(({ sequence }) => lastLost > 0 && sequence > lastLost);
    const byOther = by === undefined ? undefined : replies.find(({ ttl }) => ttl === by);
    const received = Math.max(again?.received ?? 0, byOther?.received ?? 0);
    const sent = last.sequence - first.sequence + 1;
    const answered = new Set(replies.map(({ sequence }) => sequence)).size;
    return { sent, lost: sent - answered, recovery: received === 0 ? 0 : Math.max(0, received - origin) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#running.stop();
  }

  /** Everything answered so far; the output is read once. */
  #answers(): readonly Reply[] {
    const output = this.#running.output();
    const end = output.lastIndexOf('\n') + 1;
    for (const line of output.slice(this.#read, end).split('\n')) {
      const [, at, sequence, ttl, time] = answer.exec(line) ?? [];
      if (at === undefined) continue;
      const received = Number(at) * 1000;
      this.#replies.push({
        sequence: Number(sequence),
        sent: received - Number(time),
        received,
        ttl: Number(ttl),
      });
    }
    this.#read = Math.max(this.#read, end);
    return this.#replies;
  }
}
