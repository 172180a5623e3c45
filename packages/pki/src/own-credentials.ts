// Certificates that a daemon issues itself, because it has the key of its mesh's authority.
import { createPublicKey, type X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Credential } from '@nsm/api';
import { Authority, certificateFile } from './authority.js';
import { keyToPem, newKey, toPem } from './certificate.js';
import { JoinService } from './join-service.js';
import { isDue, type Owner, type PkiLogger, RenewedCredentials } from './machine-credentials.js';

/** Milliseconds: a day, and no file has the key. */
const lifeMs = 24 * 3_600_000;
/** Milliseconds: a clock that was wrong is set right soon after a machine has started. */
const lookEveryMs = 1000;

export class OwnCredentials extends RenewedCredentials {
  readonly source: string;
  readonly joining?: JoinService;
  readonly #folder: string | undefined;
  readonly #owner: Owner;
  #seenMs: number;

  /**
   * @param folder of the authority; undefined: of this process alone, which nobody else trusts.
   * @throws what `Authority.open` throws.
   */
  constructor(folder: string | undefined, owner: Owner, logger: PkiLogger) {
    const authority = folder === undefined ? Authority.inMemory() : Authority.open(folder);
    super(credentialOf(authority, owner), lookEveryMs, logger);
    this.#folder = folder;
    this.#owner = owner;
    this.#seenMs = changedMs(folder);
    if (folder !== undefined) this.joining = new JoinService(folder, () => this.current, logger);
    this.source = folder === undefined ? 'an authority of this process alone' : `the authority in ${folder}`;
  }

  protected override async renew(current: X509Certificate): Promise<Credential | undefined> {
    if (this.#folder === undefined) return undefined;
    const changed = changedMs(this.#folder);
    if (changed === this.#seenMs && !isDue(current)) return undefined;
    const credential = credentialOf(Authority.open(this.#folder), this.#owner);
    this.#seenMs = changed;
    return credential;
  }
}

/** The authority's certificate is sent along: who joins knows it by its fingerprint alone. */
function credentialOf(authority: Authority, owner: Owner): Credential {
  const key = newKey();
  const certificate = authority.issue(createPublicKey(key), owner, lifeMs);
  return {
    identity: { domain: authority.domain, ...owner },
    key: keyToPem(key),
    chain: toPem([certificate, authority.certificate]),
    authorities: new Map([[authority.domain, authority.certificates]]),
  };
}

function changedMs(folder: string | undefined): number {
  return folder === undefined
    ? 0
    : (statSync(join(folder, certificateFile), { throwIfNoEntry: false })?.mtimeMs ?? 0);
}
