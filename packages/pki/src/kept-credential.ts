// The certificate that a machine was given, kept in its state folder: a restart needs nobody.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Credential, NsmError, systemCodeOf } from '@nsm/api';
import { certificatesFromPem, keyFromPem, toPem } from './certificate.js';
import { credentialFrom } from './file-credentials.js';
import type { Owner } from './machine-credentials.js';
import { makePrivateFolder, writePrivately } from './private-files.js';

/** What is kept, in one file: it is replaced as a whole. PEM. */
export interface Kept {
  /** Whom to ask for a new certificate. */
  readonly address: string;
  readonly key: string;
  readonly chain: string;
  readonly authorities: string;
}

/** @throws NsmError `invalid` of what is no longer good, or not the owner's. */
export function credentialOfKept(kept: Kept, owner: Owner): Credential {
  const parts = {
    chain: certificatesFromPem(kept.chain),
    key: keyFromPem(kept.key),
    authorities: certificatesFromPem(kept.authorities),
  };
  return credentialFrom(parts, owner, 'what is kept of an earlier join');
}

/** @throws NsmError `invalid` of a file that cannot be read. */
export function readKept(folder: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, file), 'utf8')) as Kept;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw new NsmError('invalid', `${join(folder, file)} cannot be used: ${(error as Error).message}`, error);
  }
}

export function keep(folder: string, address: string, { key, chain, authorities }: Credential): void {
  makePrivateFolder(folder);
  const kept: Kept = { address, key, chain, authorities: toPem([...authorities.values()].flat()) };
  writePrivately(join(folder, file), JSON.stringify(kept));
}

const file = 'credential.json';
