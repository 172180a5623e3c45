// Takes connections from other machines: nothing of what they say is read before they have shown who they are.
import type { Socket } from 'node:net';
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { NsmError } from '../errors.js';
import { refusalFrames } from '../refusal-frames.js';
import type { Caller } from './caller.js';
import { endOfBoth } from './certificate-end.js';
import { checkPeer } from './check-peer.js';
import type { Credential, Credentials } from './credentials.js';
import type { Identity } from './identity.js';
import { http2Protocol, tlsOptionsOf } from './secure-context.js';
import { Strangers } from './strangers.js';

/** Milliseconds for a handshake: some round trips, on a machine that has much to do. */
const handshakeWithinMs = 5000;
/** Milliseconds in which a refused caller may read why. */
const partingMs = 500;

/** A protocol beside gRPC on the same port, chosen in the handshake (ALPN). Its callers need no certificate. */
export interface OtherProtocol {
  readonly name: string;
  /** Owns the connection from now on, and closes it within seconds. */
  readonly serve: (socket: TLSSocket, address: string) => void;
}

export interface TlsAcceptorOptions {
  readonly credentials: Credentials;
  readonly onIdentified: (socket: TLSSocket, caller: Required<Omit<Caller, 'peer'>>) => void;
  /** Hears of every connection that is refused. */
  readonly onRefused: (address: string, error: NsmError) => void;
  readonly other?: OtherProtocol;
}

export class TlsAcceptor {
  readonly #options: TlsAcceptorOptions;
  readonly #strangers = new Strangers();
  /** What to do when a stranger is known or gone, by the host and port at its end: an accepted socket has them, and that of TLS, too. */
  readonly #strange = new Map<string, () => void>();
  readonly #tls: TlsServer;
  #shown: Credential;

  constructor(options: TlsAcceptorOptions) {
    this.#options = options;
    this.#shown = options.credentials.current;
    const { other } = options;
    this.#tls = createServer({
      ...tlsOptionsOf(this.#shown),
      requestCert: true,
      // The certificate is checked in `#identify`, which says why it refuses one.
      rejectUnauthorized: false,
      ALPNProtocols: other ? [http2Protocol, other.name] : [http2Protocol],
    });
    this.#tls.on('secureConnection', (socket) => this.#identify(socket));
    this.#tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      options.onRefused(socket.remoteAddress ?? 'a host that is gone', handshakeFailure(error));
      socket.destroy();
    });
  }

  accept(raw: Socket): void {
    const { onRefused } = this.#options;
    const { remoteAddress: address } = raw;
    raw.on('error', () => raw.destroy());
    // The caller had closed the connection before it was accepted.
    if (address === undefined) {
      raw.destroy();
      return;
    }
    if (!this.#strangers.add(raw, address)) {
      onRefused(address, untrusted('connects too often: a manager needs one connection'));
      return;
    }
    const late = setTimeout(() => {
      onRefused(address, untrusted(`does not show who it is in ${handshakeWithinMs / 1000} s`));
      raw.destroy();
    }, handshakeWithinMs);
    const end = otherEndOf(raw);
    this.#strange.set(end, () => {
      clearTimeout(late);
      this.#strange.delete(end);
      this.#strangers.known(raw);
    });
    raw.once('close', () => this.#strange.get(end)?.());
    raw.once('readable', () => this.#begin(raw, address));
  }

  /** Ends all connections that have not shown yet who they are. */
  stop(): void {
    this.#strangers.destroy();
  }

  /** With the first bytes of a caller. */
  #begin(raw: Socket, address: string): void {
    const first = raw.read() as Buffer | null;
    // It ended without a word.
    if (first === null) {
      raw.destroy();
      return;
    }
    if (first[0] !== handshakeRecord) {
      this.#options.onRefused(address, untrusted(plainText));
      part(raw, alerts);
      return;
    }
    const { current } = this.#options.credentials;
    if (current !== this.#shown) {
      this.#tls.setSecureContext(tlsOptionsOf(current));
      this.#shown = current;
    }
    raw.unshift(first);
    this.#tls.emit('connection', raw);
  }

  /** The handshake is over, and nothing was read that came after it. */
  #identify(socket: TLSSocket): void {
    const { other, onIdentified, onRefused } = this.#options;
    const { remoteAddress: address } = socket;
    if (address === undefined) {
      socket.destroy();
      return;
    }
    // Until that protocol ends, the caller stays a stranger, among few and for a short time.
    if (other && socket.alpnProtocol === other.name) {
      other.serve(socket, address);
      return;
    }
    let identity: Identity;
    try {
      if (socket.alpnProtocol !== http2Protocol)
        throw untrusted('does not offer HTTP/2 in its handshake (ALPN h2)');
      identity = checkPeer(socket, this.#shown);
    } catch (thrown) {
      const error = NsmError.from(thrown);
      onRefused(address, error);
      part(socket, refusalFrames(`this host ${error.message}`));
      return;
    }
    this.#strange.get(otherEndOf(socket))?.();
    onIdentified(socket, { remoteAddress: address, identity, until: endOfBoth(socket) });
  }
}

/** Says a last word. What the caller says is not read but taken, for a reset would overtake the word. */
function part(socket: Socket, word: Buffer): void {
  socket.on('error', () => socket.destroy());
  socket.resume();
  socket.end(word);
  setTimeout(() => socket.destroy(), partingMs).unref();
}

function otherEndOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Why a handshake did not come to its end. */
function handshakeFailure({ code = '', message }: NodeJS.ErrnoException): NsmError {
  if (code === 'ERR_SSL_UNSUPPORTED_PROTOCOL') return untrusted('offers no TLS 1.3');
  if (code === 'ECONNRESET')
    return untrusted(
      'ends in the TLS handshake: it does not believe the certificate of this host, or only looks',
    );
  return untrusted(`fails in the TLS handshake: ${message}`);
}

function untrusted(what: string): NsmError {
  return new NsmError('untrusted', what);
}

const plainText = 'speaks plain text, and this process TLS only: start both with --insecure, or neither';
/**
 * RFC 8446, section 5.1: the first byte of a client's handshake, and alerts (section 6) for what is none: protocol_version, and that
 * the connection ends. To HTTP/2 they are a frame that cannot be.
 */
const handshakeRecord = 22;
const alerts = Buffer.from([21, 3, 3, 0, 2, 2, 70, 21, 3, 3, 0, 2, 1, 0]);
