// The certificate of a machine that joined with a token: kept in its state folder, and renewed by the mesh.
import type { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { type Credential, NsmError } from '@nsm/api';
import { askForCertificate } from './join-mesh.js';
import { parseToken } from './join-tokens.js';
import { credentialOfKept, type Kept, keep, readKept } from './kept-credential.js';
import { isDue, type Owner, type PkiLogger, RenewedCredentials, wordsOf } from './machine-credentials.js';

const lookEveryMs = 60_000;

export class JoinedCredentials extends RenewedCredentials {
  readonly source: string;
  readonly #address: string;
  readonly #folder: string;
  readonly #owner: Owner;

  private constructor(folder: string, address: string, first: Credential, owner: Owner, logger: PkiLogger) {
    super(first, lookEveryMs, logger);
    this.#folder = folder;
    this.#address = address;
    this.#owner = owner;
    this.source = `the mesh that was joined at ${address}`;
  }

  /**
   * What an earlier join left, or what a token gives.
   * @param ticket TOKEN@HOST:PORT. Default: only what an earlier join left, if it did.
   * @throws NsmError `untrusted`, `unavailable` or `invalid`
   */
  static async open(
    stateDir: string,
    ticket: string | undefined,
    owner: Owner,
    logger: PkiLogger,
  ): Promise<JoinedCredentials | undefined> {
    const folder = join(stateDir, 'joined');
    const kept = readKept(folder);
    if (!kept && ticket === undefined) return undefined;
    let address = kept?.address ?? '';
    let credential = kept && usable(kept, owner, logger, ticket !== undefined);
    if (!credential) {
      const at = (ticket ?? '').indexOf('@');
      if (at < 0) throw new NsmError('invalid', 'write --join TOKEN@HOST:PORT');
      address = (ticket ?? '').slice(at + 1);
      credential = await askForCertificate(address, owner, parseToken((ticket ?? '').slice(0, at)));
      keep(folder, address, credential);
    }
    const joined = new JoinedCredentials(folder, address, credential, owner, logger);
    void joined.look();
    return joined;
  }

  protected override async renew(current: X509Certificate): Promise<Credential | undefined> {
    if (!isDue(current)) return undefined;
    const credential = await askForCertificate(this.#address, this.#owner, this.current);
    keep(this.#folder, this.#address, credential);
    return credential;
  }
}

/** @param canJoin whether there is a token: what cannot be used is replaced then. */
function usable(kept: Kept, owner: Owner, logger: PkiLogger, canJoin: boolean): Credential | undefined {
  try {
    return credentialOfKept(kept, owner);
  } catch (error) {
    if (!canJoin) {
      const { message } = NsmError.from(error);
      throw new NsmError('untrusted', `${message}; join again: --join TOKEN@HOST:PORT`, error);
    }
    logger.warn({ err: wordsOf(error) }, 'an earlier join is of no use: joining again');
    return undefined;
  }
}
