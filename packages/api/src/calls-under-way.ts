// What callers have under way: calls, from their first header to their end, and what has come of their requests. A call that stands
// costs memory, also when its request never comes to its end: so each caller has a share, and all together have a bound.
import { constants, type ServerHttp2Stream } from 'node:http2';
import { type Metadata, type ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import { NsmError } from './errors.js';

/** A bound of one caller and one of all. Nobody may have more than what is left to the others. */
export interface Share {
  readonly ofOne: number;
  readonly ofAll: number;
}

export interface CallLimits {
  /** Each is some 50 KB. */
  readonly calls: Share;
  /** Bytes of requests and of what is said of them in headers, until their calls end. */
  readonly requestBytes: Share;
}

/** Whose a call is. */
export interface Owner {
  /** The pod, host or manager. */
  readonly name: string;
  /** '' of root, whose pods are not one another's. A user may have four times as much as a pod. */
  readonly user: string;
}
const userFactor = 4;

/** Bytes that each piece of a request counts for, beside its own: the object that holds it. */
const bytesOfPiece = 256;

/** How much of something each owner has. */
class Holdings {
  readonly #share: Share;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(share: Share) {
    this.#share = share;
  }

  /** @returns whose share is used up; undefined when the amount was taken. */
  take({ name, user }: Owner, amount: number): string | undefined {
    const { ofOne, ofAll } = this.#share;
    const left = ofAll - this.#total;
    if (this.#of(name) + amount > Math.min(ofOne, left)) return name;
    if (user !== '' && this.#of(user) + amount > Math.min(ofOne * userFactor, left)) return user;
    this.#add(name, amount);
    if (user !== '') this.#add(user, amount);
    this.#total += amount;
    return undefined;
  }

  giveBack({ name, user }: Owner, amount: number): void {
    this.#add(name, -amount);
    if (user !== '') this.#add(user, -amount);
    this.#total -= amount;
  }

  #of(name: string): number {
    return this.#held.get(name) ?? 0;
  }

  #add(name: string, amount: number): void {
    const held = this.#of(name) + amount;
    if (held > 0) this.#held.set(name, held);
    else this.#held.delete(name);
  }
}

/** Private to grpc-js 1.14, which has no other way to what comes before a message is complete. */
interface Parts {
  readonly stream: ServerHttp2Stream;
  readonly decoder: { write(piece: Buffer): Buffer[] };
  readonly metadata: Metadata;
  readonly incomingEncoding: string;
}

/**
 * Refuses calls of whoever has too many, or too long ones, before anything is done for them.
 * @param maxRequestBytes what a compressed request may come to, and counts for from the beginning.
 * @param ownerOf whose a call is, by what `getPeer` says of it.
 * @param onCrowd hears of each refusal.
 */
export function boundCalls(
  { calls, requestBytes }: CallLimits,
  maxRequestBytes: number,
  ownerOf: (peer: string) => Owner,
  onCrowd: (owner: string, error: NsmError) => void,
): ServerInterceptor {
  const [open, bytes] = [new Holdings(calls), new Holdings(requestBytes)];
  const refusal = (whose: string, what: string): NsmError => {
    const error = new NsmError(
      'overload',
      `${whose} has too ${what} under way: ask again when some have ended`,
    );
    onCrowd(whose, error);
    return error;
  };
  return (_method, call) => {
    const parts = call as unknown as Parts;
    const { stream, decoder } = parts;
    const owner = ownerOf(call.getPeer());
    let taken = 0;
    const isRefused = (amount: number): boolean => {
      const heavy = bytes.take(owner, amount);
      if (heavy === undefined) taken += amount;
      else end(stream, refusal(heavy, 'much of requests'));
      return heavy !== undefined;
    };
    const crowd = open.take(owner, 1);
    // Of a stream that is closed grpc-js takes nothing further.
    if (crowd !== undefined) end(stream, refusal(crowd, 'many calls'));
    else {
      stream.once('close', () => {
        open.giveBack(owner, 1);
        bytes.giveBack(owner, taken);
      });
      const write = decoder.write.bind(decoder);
      decoder.write = (piece) =>
        stream.closed || isRefused(piece.length + bytesOfPiece) ? [] : write(ownCopy(piece));
      const unpacked = parts.incomingEncoding === 'identity' ? 0 : maxRequestBytes;
      isRefused(bytesOf(parts.metadata) + unpacked);
    }
    return call as ServerInterceptingCall;
  };
}

function bytesOf(metadata: Metadata): number {
  let bytes = 0;
  for (const key of Object.keys(metadata.getMap()))
    for (const value of metadata.get(key)) bytes += key.length + value.length;
  return bytes;
}

/** A small piece holds all that the socket was read with: 64 KiB for a byte. */
function ownCopy(piece: Buffer): Buffer {
  if (piece.length * 4 >= piece.buffer.byteLength) return piece;
  const copy = Buffer.allocUnsafeSlow(piece.length);
  piece.copy(copy);
  return copy;
}

/** Answers, and lets no more come: what the caller goes on to send is not kept. */
function end(stream: ServerHttp2Stream, error: NsmError): void {
  if (!stream.headersSent && !stream.destroyed)
    stream.respond(
      {
        ':status': constants.HTTP_STATUS_OK,
        'content-type': 'application/grpc+proto',
        'grpc-status': status.RESOURCE_EXHAUSTED,
        'grpc-message': encodeURI(error.toAdmissionError()),
      },
      { endStream: true },
    );
  stream.close(constants.NGHTTP2_NO_ERROR);
}
