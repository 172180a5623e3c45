// What a call costs, from its first word until the last of its reply is taken: for that long it counts as its caller's.
import { constants, type ServerHttp2Stream } from 'node:http2';
import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { statusOf } from '../call-status.js';
import { NsmError } from '../errors.js';
import { ownCopy } from './own-copy.js';
import type { ServerConnections, TakeShare } from './server-connections.js';

/** Bytes that each piece of a request counts for, beside its own: the object that holds it. */
const bytesOfPiece = 256;

/**
 * Lets calls in. A call too many hears so before any of its request is read. A call whose request or whose unread reply is too large,
 * beside what its caller has under way already, is ended.
 * @param maxRequestBytes what a compressed request may come to, and counts for from the beginning.
 */
export function callIntake(connections: ServerConnections, maxRequestBytes: number): ServerInterceptor {
  return (_method, call) => {
    let share: CallShare | undefined;
    let isRefused = false;
    const unlessTooMuch = (work: () => void): boolean => {
      if (isRefused) return false;
      try {
        work();
      } catch (thrown) {
        isRefused = true;
        call.sendStatus(statusOf(NsmError.from(thrown)));
        const { stream } = partsOf(call);
        // A reset in the same turn would take back the status, which is written at the turn's end (since Node.js 22).
        setImmediate(() => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM));
      }
      return !isRefused;
    };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) =>
            unlessTooMuch(() => {
              const take = connections.admit(call.getPeer());
              if (take) {
                const parts = partsOf(call);
                share = new CallShare(parts.stream, take, unlessTooMuch);
                share.countRequest(parts, bytesOf(metadata), maxRequestBytes);
              }
              pass(metadata);
            }),
        }),
      sendMessage(message, next) {
        next(message);
        share?.recount();
      },
    });
  };
}

/** What one call holds of its caller's share. */
class CallShare {
  readonly #stream: ServerHttp2Stream;
  readonly #take: TakeShare;
  readonly #unlessTooMuch: (work: () => void) => boolean;
  #received = 0;
  #giveBackBytes = (): void => undefined;

  /** @throws NsmError `overload` when the caller has too many calls. */
  constructor(stream: ServerHttp2Stream, take: TakeShare, unlessTooMuch: (work: () => void) => boolean) {
    this.#stream = stream;
    this.#take = take;
    this.#unlessTooMuch = unlessTooMuch;
    const giveBack = take('streams', 1);
    stream.once('close', () => {
      giveBack();
      this.#giveBackBytes();
    });
  }

  /** Counts what is said of the request in headers, what it may unpack to, and each piece of it before it is kept. */
  countRequest(
    { decoder, incomingEncoding }: CallParts,
    metadataBytes: number,
    maxRequestBytes: number,
  ): void {
    const unpacked = incomingEncoding === 'identity' ? 0 : maxRequestBytes;
    this.#received = metadataBytes + unpacked;
    this.#takeBytes();
    const write = decoder.write.bind(decoder);
    decoder.write = (piece) => {
      this.#received += piece.length + bytesOfPiece;
      return this.recount() ? write(ownCopy(piece)) : [];
    };
  }

  /**
   * Counts what has come of the request, and what waits to be taken of the reply.
   * @returns whether the call goes on.
   */
  recount(): boolean {
    return !this.#stream.closed && this.#unlessTooMuch(() => this.#takeBytes());
  }

  #takeBytes(): void {
    this.#giveBackBytes();
    this.#giveBackBytes = this.#take('callBytes', this.#received + this.#stream.writableLength);
  }
}

/** Private to grpc-js 1.14: nothing else tells what comes before a request is whole, nor when the last of a call is gone. */
interface CallParts {
  readonly stream: ServerHttp2Stream;
  readonly decoder: { write(piece: Buffer): Buffer[] };
  readonly incomingEncoding: string;
}

function partsOf(call: object): CallParts {
  const parts = call as Partial<CallParts>;
  if (!parts.stream || !parts.decoder || parts.incomingEncoding === undefined)
    throw new NsmError('internal', 'this version of grpc-js keeps the stream of a call elsewhere');
  return parts as CallParts;
}

function bytesOf(metadata: Metadata): number {
  let bytes = 0;
  for (const key of Object.keys(metadata.getMap()))
    for (const value of metadata.get(key)) bytes += key.length + value.length;
  return bytes;
}
