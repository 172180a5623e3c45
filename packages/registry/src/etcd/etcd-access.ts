// What a process shows to an etcd: certificates from files, and a user.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import { NsmError } from '@nsm/api';
import type { EtcdUrl } from './etcd-url.js';
import { EtcdUser } from './etcd-user.js';

export interface EtcdOptions {
  /** File of the authorities, PEM, that sign the certificates of the members. Default: the system's authorities. */
  readonly ca?: string;
  /** File of the certificate that is shown to etcd, PEM; with `key`. */
  readonly cert?: string;
  readonly key?: string;
  /** User of etcd; with `password`. */
  readonly user?: string;
  readonly password?: string;
}

export interface EtcdMember {
  /** HOST:PORT. */
  readonly address: string;
  /** Undefined: plain text. */
  readonly tls: SecureContext | undefined;
  readonly user: EtcdUser | undefined;
}

export class EtcdAccess {
  /** True when every connection is TLS. */
  readonly tls: boolean;
  readonly #members: readonly string[];
  readonly #options: EtcdOptions;
  readonly #user: EtcdUser | undefined;

  /** @throws NsmError `invalid` when the options do not fit together, or a file cannot be read. */
  constructor({ members, tls }: EtcdUrl, options: EtcdOptions) {
    const { ca, cert, key, user, password } = options;
    if ((cert === undefined) !== (key === undefined))
      throw new NsmError('invalid', 'a certificate for etcd needs both --etcd-cert and --etcd-key');
    if (user !== undefined && password === undefined)
      throw new NsmError(
        'invalid',
        `user ${user} of etcd needs a password: in the environment as NSM_ETCD_PASSWORD, or in a file with --etcd-password-file`,
      );
    this.#members = members;
    this.#options = options;
    this.tls = tls || ca !== undefined || cert !== undefined;
    this.#user = user === undefined || password === undefined ? undefined : new EtcdUser(user, password);
    this.member(0);
  }

  /** How many there are. */
  get size(): number {
    return this.#members.length;
  }

  /** Member `turn`, counted around and around. Certificates are read again: they may have been renewed. @throws NsmError `invalid` */
  member(turn: number): EtcdMember {
    const address = this.#members[turn % this.#members.length] ?? '';
    return { address, tls: this.tls ? secureContext(this.#options) : undefined, user: this.#user };
  }
}

function secureContext({ ca, cert, key }: EtcdOptions): SecureContext {
  const pem = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new NsmError('invalid', `cannot read a file for etcd: ${NsmError.from(error).message}`, error);
    }
  };
  const files = {
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(cert === undefined || key === undefined ? {} : { cert: pem(cert), key: pem(key) }),
  };
  try {
    // OpenSSL is content with a file that has none.
    if (files.ca) new X509Certificate(files.ca);
    return createSecureContext({ ...files, minVersion: 'TLSv1.2' });
  } catch (error) {
    throw new NsmError(
      'invalid',
      `the certificates for etcd cannot be used: ${NsmError.from(error).message}`,
      error,
    );
  }
}
