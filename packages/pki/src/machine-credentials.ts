// The credential of a daemon, wherever it comes from.
import { X509Certificate } from 'node:crypto';
import { type Credential, type Credentials, type Identity, NsmError, type OtherProtocol } from '@nsm/api';

export interface MachineCredentials extends Credentials, Disposable {
  /** Where they come from, in words for operators. */
  readonly source: string;
  /** Until when the current certificate holds. */
  readonly validUntil: Date;
  /** Why no newer certificate could be had; '' while that is not so. */
  readonly trouble: string;
  /** Whether the current certificate should have been renewed by now, and was not. */
  readonly endsSoon: boolean;
  /** Where other machines get their certificates from this one. */
  readonly joining?: OtherProtocol;
}

export interface PkiLogger {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** What a log says of a failure: its words, and no stack. */
export function wordsOf(error: unknown): object {
  return error instanceof NsmError
    ? { code: error.code, kind: error.kind, message: error.message }
    : { message: (error as Error).message };
}

/** Who the daemon is: what its certificate must say. */
export type Owner = Omit<Identity, 'domain'>;

/** A credential that is looked at again and again, and replaced by a newer one. */
export abstract class RenewedCredentials implements MachineCredentials {
  abstract readonly source: string;
  readonly #logger: PkiLogger;
  readonly #looking: NodeJS.Timeout;
  #current: Credential;
  #certificate: X509Certificate;
  #trouble = '';
  #busy = false;

  /** @param lookEveryMs how often `renew` is asked. */
  constructor(first: Credential, lookEveryMs: number, logger: PkiLogger) {
    this.#current = first;
    this.#certificate = new X509Certificate(first.chain);
    this.#logger = logger;
    this.#looking = setInterval(() => void this.look(), lookEveryMs).unref();
  }

  /** A newer credential, or undefined while the current one is good. What it throws is logged; the current one stays. */
  protected abstract renew(current: X509Certificate): Promise<Credential | undefined>;

  get current(): Credential {
    return this.#current;
  }

  get validUntil(): Date {
    return new Date(this.#certificate.validTo);
  }

  get trouble(): string {
    return this.#trouble;
  }

  get endsSoon(): boolean {
    return isOverdue(this.#certificate);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looking);
  }

  /** Takes a newer credential, if there is one. */
  async look(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const newer = await this.renew(this.#certificate);
      if (newer) this.take(newer);
      this.#trouble = '';
    } catch (error) {
      this.#complain(error as Error);
    } finally {
      this.#busy = false;
    }
  }

  protected take(credential: Credential): void {
    this.#current = credential;
    this.#certificate = new X509Certificate(credential.chain);
    this.#logger.info(
      { source: this.source, validUntil: this.validUntil },
      'a new certificate: connections take it from now on',
    );
  }

  /** Once of each cause. */
  #complain(error: Error): void {
    if (error.message === this.#trouble) return;
    this.#trouble = error.message;
    this.#logger.error(
      { source: this.source, validUntil: this.validUntil, err: wordsOf(error) },
      'no new certificate: the one before stays',
    );
  }
}

/** Milliseconds before its end when a certificate of a long life should have been renewed. */
const overdueBeforeMs = 14 * 24 * 3_600_000;

/** Whether hardly a sixth of a certificate's life is left, and less than two weeks: everybody renews at two thirds. */
export function isOverdue({ validFrom, validTo }: X509Certificate, now: number = Date.now()): boolean {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  return now >= to - Math.min(overdueBeforeMs, (to - from) / 6);
}

/** Whether two thirds of a certificate's life are over, or it has not begun: the clock was ahead when the certificate was made. */
export function isDue({ validFrom, validTo }: X509Certificate, now: number = Date.now()): boolean {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  return now < from || now >= from + ((to - from) * 2) / 3;
}
