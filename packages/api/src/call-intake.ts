// What a call costs, from its first word until the last of its reply is taken: for that long it counts as its pod's.
import { constants, type ServerHttp2Stream } from 'node:http2';
import { ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { statusOf } from './call-status.js';
import { NsmError } from './errors.js';
import type { ServerConnections, TakeShare } from './server-connections.js';

/**
 * Lets calls in. One that is one too many hears so before any of its request is read. One whose request or whose unread reply is too large,
 * beside what its pod has under way already, is ended.
 */
export function callIntake(connections: ServerConnections): ServerInterceptor {
  return (_method, call) => {
    let share: CallShare | undefined;
    const unlessTooMuch = (work: () => void): void => {
      try {
        work();
      } catch (thrown) {
        call.sendStatus(statusOf(NsmError.from(thrown)));
        streamOf(call).close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      }
    };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) =>
            unlessTooMuch(() => {
              const take = connections.admit(call.getPeer());
              if (take) share = new CallShare(streamOf(call), take, unlessTooMuch);
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

/** What one call holds of its pod's share. */
class CallShare {
  readonly #stream: ServerHttp2Stream;
  readonly #take: TakeShare;
  readonly #unlessTooMuch: (work: () => void) => void;
  #received = 0;
  #giveBackBytes = (): void => undefined;

  /** @throws NsmError `overload` when the pod has too many calls. */
  constructor(stream: ServerHttp2Stream, take: TakeShare, unlessTooMuch: (work: () => void) => void) {
    this.#stream = stream;
    this.#take = take;
    this.#unlessTooMuch = unlessTooMuch;
    const giveBack = take('streams', 1);
    stream.once('close', () => {
      giveBack();
      this.#giveBackBytes();
    });
    // Another listener reads; this one lets nothing flow.
    stream.on('data', ({ length }: Buffer) => {
      this.#received += length;
      this.recount();
    });
  }

  /** Counts what has come of the request, and what waits to be taken of the reply. */
  recount(): void {
    if (this.#stream.closed) return;
    this.#unlessTooMuch(() => {
      this.#giveBackBytes();
      this.#giveBackBytes = this.#take('callBytes', this.#received + this.#stream.writableLength);
    });
  }
}

/** Nothing else tells when the last of a call is gone, and grpc-js keeps it to itself. */
function streamOf(call: object): ServerHttp2Stream {
  const { stream } = call as { readonly stream?: ServerHttp2Stream };
  if (!stream) throw new NsmError('internal', 'this version of grpc-js keeps the stream of a call elsewhere');
  return stream;
}
