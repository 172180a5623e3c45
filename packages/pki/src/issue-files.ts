// A certificate as files, for a machine that cannot reach the authority: carried there by hand or by a tool.
import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import type { Authority } from './authority.js';
import { keyToPem, newKey, toPem } from './certificate.js';
import type { CredentialFiles } from './file-credentials.js';
import type { Owner } from './machine-credentials.js';
import { makePrivateFolder, writePrivately } from './private-files.js';

/** Writes certificate, key and authorities, by the names that Kubernetes gives them, over those of an earlier time. */
export function issueFiles(
  authority: Authority,
  owner: Owner,
  lifeMs: number,
  folder: string,
): CredentialFiles {
  makePrivateFolder(folder);
  const key = newKey();
  const certificate = authority.issue(createPublicKey(key), owner, lifeMs);
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') };
  // Who reads in between finds a key that does not fit, and reads again.
  writePrivately(files.ca, toPem(authority.certificates));
  writePrivately(files.key, keyToPem(key));
  writePrivately(files.cert, toPem([certificate]));
  return files;
}
