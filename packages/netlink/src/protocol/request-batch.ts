// Requests gathered to be sent together.
import { MessageWriter } from './message.js';
import type { Request } from './netlink-request.js';

// A batch is cut into sends of at most this many bytes and messages: well below the default send buffer of 208 KB, and
// few enough that all acknowledgements fit the receive buffer.
const SEND_BYTES = 32 * 1024;
const SEND_MESSAGES = 256;

interface Queued {
  readonly request: Request;
  readonly sequence: number;
  readonly end: number;
}

/** Some of a batch's requests, to go out in one send(2). */
export interface BatchPart {
  readonly bytes: Uint8Array;
  /** Position of each request in the batch, by its sequence number. */
  readonly positions: ReadonlyMap<number, number>;
}

/** Requests gathered to be sent together. */
export class RequestBatch {
  readonly #writer = new MessageWriter(4096);
  readonly #queue: Queued[] = [];

  /** Adds the request that `write` writes and returns the sequence number of; a throw of it adds nothing. */
  add(request: Request, write: (writer: MessageWriter) => number): void {
    const start = this.#writer.length;
    try {
      const sequence = write(this.#writer);
      this.#queue.push({ request, sequence, end: this.#writer.length });
    } catch (error) {
      this.#writer.length = start;
      throw error;
    }
  }

  /** The request at a position, from 0. */
  at(position: number): Request | undefined {
    return this.#queue[position]?.request;
  }

  *parts(): Generator<BatchPart, void, undefined> {
    let positions = new Map<number, number>();
    let start = 0;
    let end = 0;
    for (const [position, queued] of this.#queue.entries()) {
      if (positions.size > 0 && (positions.size >= SEND_MESSAGES || queued.end - start > SEND_BYTES)) {
        yield { bytes: this.#writer.bytes.subarray(start, end), positions };
        positions = new Map();
        start = end;
      }
      positions.set(queued.sequence, position);
      end = queued.end;
    }
    if (positions.size > 0) yield { bytes: this.#writer.bytes.subarray(start, end), positions };
  }
}
