// TLS for a channel: each new connection takes the newest credential, and checks that the server is the one that was meant.
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { ChannelCredentials, credentials as grpcCredentials } from '@grpc/grpc-js';
import { NsmError } from '../errors.js';
import { refusalIn } from '../refusal-frames.js';
import { endAt, endOfBoth } from './certificate-end.js';
import { checkExpected } from './check-peer.js';
import type { Credentials, ExpectedPeer } from './credentials.js';
import { http2Protocol, secureContextOf } from './secure-context.js';

/** Milliseconds until the server's first words: a handshake, and one that is lost. */
const greetedWithinMs = 5000;

export interface TlsPeer {
  readonly credentials: Credentials;
  readonly expected: ExpectedPeer;
}

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/** grpc-js has certificate providers, which check a host's name; what counts here is the URI in the certificate. */
export class TlsChannelCredentials extends ChannelCredentials {
  readonly #peer: TlsPeer;
  readonly #onOutcome: (refusal: NsmError | undefined) => void;

  /** @param onOutcome hears why the other side is not trusted, or does not trust this one; undefined when a connection is made. */
  constructor(peer: TlsPeer, onOutcome: (refusal: NsmError | undefined) => void) {
    super();
    this.#peer = peer;
    this.#onOutcome = onOutcome;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(
    ...given: Parameters<ChannelCredentials['_createSecureConnector']>
  ): SecureConnector {
    const plain = grpcCredentials.createInsecure()._createSecureConnector(...given);
    return {
      waitForReady: () => plain.waitForReady(),
      getCallCredentials: () => plain.getCallCredentials(),
      destroy: () => plain.destroy(),
      connect: async (raw) => {
        try {
          const socket = await secured(raw, this.#peer);
          this.#onOutcome(undefined);
          return { socket, secure: true };
        } catch (thrown) {
          const error = NsmError.from(thrown);
          if (error.kind === 'untrusted') this.#onOutcome(error);
          throw error;
        }
      },
    };
  }
}

/** Milliseconds in which a server that is not believed may read the certificate that it was shown, and so tell its operators, too. */
const partingMs = 500;

/**
 * Ends a connection after what was sent: closed at once, the server would see a reset, and nothing of the handshake.
 * @param onWritten called when all was handed to the kernel, or the connection broke.
 */
function leave(socket: TLSSocket, onWritten: () => void): void {
  socket.on('error', () => socket.destroy()).once('close', onWritten);
  socket.resume();
  socket.end(onWritten);
  setTimeout(() => socket.destroy(), partingMs).unref();
}

/** Resolves when the server is known and has begun to speak HTTP/2: until then it may still refuse. */
function secured(raw: Socket, { credentials, expected }: TlsPeer): Promise<TLSSocket> {
  const { current } = credentials;
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: raw,
      secureContext: secureContextOf(current),
      ALPNProtocols: [http2Protocol],
      // `checkExpected` checks, and says why it refuses.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    const fail = (error: Error): void => {
      clearTimeout(late);
      reject(error);
      socket.destroy();
    };
    const late = setTimeout(() => fail(noWords(`in ${greetedWithinMs / 1000} s`)), greetedWithinMs);
    const ended = (): void => fail(noWords('and closes the connection'));
    socket.once('error', (error: NodeJS.ErrnoException) => fail(handshakeFailure(error)));
    socket.once('close', ended);
    socket.once('end', ended);
    socket.once('secureConnect', () => {
      try {
        checkExpected(socket, current, expected);
      } catch (thrown) {
        clearTimeout(late);
        socket.off('close', ended).off('end', ended);
        // grpc-js destroys a connection as soon as it hears that the connection failed.
        leave(socket, () => reject(NsmError.from(thrown)));
        return;
      }
      socket.once('readable', () => {
        const first = socket.read() as Buffer | null;
        // Its end is told by `end`.
        if (first === null) return;
        const reason = refusalIn(first);
        if (reason !== undefined) return fail(new NsmError('untrusted', `refuses this process: ${reason}`));
        clearTimeout(late);
        socket.removeAllListeners('error').off('close', ended).off('end', ended);
        // Node.js keeps a socket's own listeners under these names; those of grpc-js follow before anything can happen.
        socket.unshift(first);
        // The server ends it before, when no call is under way; one that does not is not called for ever.
        endAt(socket, endOfBoth(socket), () => false);
        resolve(socket);
      });
    });
  });
}

function noWords(what: string): NsmError {
  return new NsmError('unavailable', `says nothing ${what}`);
}

/** What is not of TLS is of the network, and keeps its code, by which grpc-js knows it. */
function handshakeFailure(error: NodeJS.ErrnoException): Error {
  const { code = '', message } = error;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return new NsmError(
      'untrusted',
      'speaks plain text, and this process TLS only: start both with --insecure, or neither',
    );
  if (code.startsWith('ERR_SSL_')) return new NsmError('untrusted', `fails in the TLS handshake: ${message}`);
  return error;
}
