// Certificate, key and authorities from files that somebody else keeps, such as cert-manager: read again when they change.
import type { KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { type Credential, identityOf, NsmError } from '@nsm/api';
import { domainOf } from './authority.js';
import { type Certificates, certificatesFromPem, keyFromPem, keyToPem, toPem } from './certificate.js';
import { type Owner, type PkiLogger, RenewedCredentials } from './machine-credentials.js';

export interface CredentialFiles {
  /** The certificate, and those that lead to an authority. */
  readonly cert: string;
  readonly key: string;
  /** Authorities: each for the trust domain that its certificate names, else for the one of `cert`. */
  readonly ca: string;
}

/** Milliseconds. Three times stat(2), and not inotify: of its instances a user has 128, for all processes. */
const lookEveryMs = 1000;

export class FileCredentials extends RenewedCredentials {
  readonly source: string;
  readonly #files: CredentialFiles;
  readonly #owner: Owner;
  #seen: string;

  /** @throws NsmError `invalid` of files that cannot be used, or are somebody else's. */
  constructor(files: CredentialFiles, owner: Owner, logger: PkiLogger) {
    const seen = versionOf(files);
    super(readFiles(files, owner), lookEveryMs, logger);
    this.#files = files;
    this.#owner = owner;
    this.#seen = seen;
    this.source = files.cert;
  }

  /** Files that are half written do not fit together: they are read again until they do. */
  protected override async renew(): Promise<Credential | undefined> {
    const seen = versionOf(this.#files);
    if (seen === this.#seen) return undefined;
    const credential = readFiles(this.#files, this.#owner);
    this.#seen = seen;
    return credential;
  }
}

/** Follows symbolic links, which is how Kubernetes swaps all files at once. */
function versionOf({ cert, key, ca }: CredentialFiles): string {
  return [cert, key, ca]
    .map((path) => {
      // By the change of its status, too: whoever may read a file is not part of the other times.
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat ? `${stat.ino} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.size}` : 'none';
    })
    .join();
}

function readFiles(files: CredentialFiles, owner: Owner): Credential {
  const chain = read(files.cert, certificatesFromPem);
  const key = read(files.key, keyFromPem);
  const authorities = read(files.ca, certificatesFromPem);
  if (!chain[0].checkPrivateKey(key))
    throw new NsmError('invalid', `${files.key} is not the key of the certificate in ${files.cert}`);
  return credentialFrom({ chain, key, authorities }, owner, files.cert);
}

/** What a credential is made of. */
export interface CredentialParts {
  /** The own certificate, and those that lead to an authority. */
  readonly chain: Certificates;
  readonly key: KeyObject;
  readonly authorities: readonly X509Certificate[];
}

/**
 * @param from where the certificate is from, for messages.
 * @throws NsmError `invalid` unless the certificate is good now, and the owner's.
 */
export function credentialFrom(
  { chain, key, authorities }: CredentialParts,
  { kind, name }: Owner,
  from: string,
): Credential {
  const [own] = chain;
  const identity = identityOf(own);
  if (identity?.kind !== kind || identity.name !== name)
    throw new NsmError(
      'invalid',
      `${from} is for ${own.subjectAltName ?? 'nobody'}, and this is ${kind} ${name}: it needs the URI spiffe://DOMAIN/${kind}/${name}`,
    );
  if (Date.parse(own.validTo) <= Date.now())
    throw new NsmError(
      'invalid',
      `the certificate in ${from} has expired, ${new Date(own.validTo).toISOString()}`,
    );
  const byDomain = new Map<string, X509Certificate[]>([[identity.domain, []]]);
  for (const authority of authorities) {
    const domain = domainOf(authority) ?? identity.domain;
    byDomain.set(domain, [...(byDomain.get(domain) ?? []), authority]);
  }
  return { identity, key: keyToPem(key), chain: toPem(chain), authorities: byDomain };
}

function read<T>(path: string, parse: (text: string) => T): T {
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new NsmError('invalid', `${path} cannot be used: ${(error as Error).message}`, error);
  }
}
