// Gives certificates to machines that bring a token, and new ones to those that show a certificate: for whoever has the authority's key.
import type { TLSSocket } from 'node:tls';
import {
  type Credential,
  checkPeer,
  isIdentityName,
  LogThrottle,
  NsmError,
  type OtherProtocol,
} from '@nsm/api';
import { Authority } from './authority.js';
import { keyOfRequest, toPem } from './certificate.js';
import { type JoinReply, type JoinRequest, joinProtocol, readLine, writeLine } from './join-messages.js';
import { JoinTokens } from './join-tokens.js';
import { type Owner, type PkiLogger, wordsOf } from './machine-credentials.js';

/** Milliseconds: the machine that gives certificates may be away for days. */
const joinedLifeMs = 7 * 24 * 3_600_000;
/** Refused attempts of one address in a minute, after which it is not heard. */
const mostFailures = 10;

export class JoinService implements OtherProtocol {
  readonly name: string = joinProtocol;
  readonly #folder: string;
  readonly #current: () => Credential;
  readonly #logger: PkiLogger;
  /** Refused attempts by address; all are forgotten each minute. */
  readonly #failures = new Map<string, number>();
  #minute = 0;
  readonly #throttle = new LogThrottle(() => performance.now());

  /** @param folder of the authority. @param current what this process shows. */
  constructor(folder: string, current: () => Credential, logger: PkiLogger) {
    this.#folder = folder;
    this.#current = current;
    this.#logger = logger;
  }

  serve(socket: TLSSocket, address: string): void {
    socket.on('error', () => socket.destroy());
    this.#answer(socket, address)
      .catch((thrown: unknown): JoinReply => {
        const error = NsmError.from(thrown);
        this.#failures.set(address, (this.#failures.get(address) ?? 0) + 1);
        if (this.#throttle.isNews(address, error.message))
          this.#logger.warn({ host: address, err: wordsOf(error) }, 'a machine was refused a certificate');
        return { refusal: error.kind === 'internal' ? 'see the log of the other side' : error.message };
      })
      .then((reply) => {
        if (socket.writable) writeLine(socket, reply);
        socket.end();
      })
      .catch(() => socket.destroy());
  }

  async #answer(socket: TLSSocket, address: string): Promise<JoinReply> {
    this.#checkPace(address);
    const { request, name, token } = checked(await readLine(socket));
    const publicKey = keyOfRequest(Buffer.from(request, 'base64'));
    const authority = Authority.open(this.#folder);
    const owner = token ? this.#newcomer(token, name) : this.#known(socket);
    const certificate = authority.issue(publicKey, owner, joinedLifeMs);
    this.#logger.info(
      {
        host: address,
        owner,
        by: token ? 'token' : 'certificate',
        validUntil: new Date(certificate.validTo),
      },
      'a machine got a certificate',
    );
    return { chain: toPem([certificate, authority.certificate]), authorities: toPem(authority.certificates) };
  }

  #newcomer({ id, secret }: NonNullable<JoinRequest['token']>, name: string): Owner {
    new JoinTokens(this.#folder).redeem(id, Buffer.from(secret, 'base64'), name);
    return { kind: 'manager', name };
  }

  #known(socket: TLSSocket): Owner {
    const { domain, kind, name } = checkPeer(socket, this.#current());
    if (domain !== this.#current().identity.domain)
      throw new NsmError('untrusted', `trust domain ${domain} gets its certificates from its own authority`);
    // The life of an operator's certificate is whatever `nsm pki issue` was told.
    if (kind === 'operator')
      throw new NsmError('untrusted', 'machines renew their certificates here, and operators do not');
    return { kind, name };
  }

  #checkPace(address: string): void {
    const minute = Math.floor(performance.now() / 60_000);
    if (minute !== this.#minute) this.#failures.clear();
    this.#minute = minute;
    if ((this.#failures.get(address) ?? 0) >= mostFailures)
      throw new NsmError('overload', 'too many attempts were refused: try again in a minute');
  }
}

function checked(message: unknown): JoinRequest {
  const { request, name, token } = (message ?? {}) as Partial<JoinRequest>;
  const words = token === undefined ? [request] : [request, token?.id, token?.secret];
  if (words.some((word) => typeof word !== 'string') || typeof name !== 'string' || !isIdentityName(name))
    throw new NsmError('invalid', 'not a request to join');
  return message as JoinRequest;
}
