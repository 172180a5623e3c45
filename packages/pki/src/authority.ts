// A mesh's own certificate authority: a key and a certificate in a folder.
import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Identity, isTrustDomain, NsmError, spiffeIdOf, urisOf } from '@nsm/api';
import {
  type Certificates,
  certificatesFromPem,
  keyFromPem,
  keyToPem,
  makeCertificate,
  newKey,
  toPem,
} from './certificate.js';
import { createPrivately, makePrivateFolder } from './private-files.js';

export const defaultDomain = 'nsm';
const keyFile = 'ca.key';
export const certificateFile = 'ca.crt';

const hourMs = 3_600_000;
const authorityMs = 10 * 365 * 24 * hourMs;
/** Clocks may differ by so much: a certificate holds from a little before it is made. */
const clockToleranceMs: number = hourMs / 2;

export class Authority {
  readonly domain: string;
  /** First the certificate that signs, then others that are trusted, too: `ca.crt` has several while one authority follows another. */
  readonly certificates: Certificates;
  readonly #key: KeyObject;

  private constructor(domain: string, key: KeyObject, certificates: Certificates) {
    this.domain = domain;
    this.#key = key;
    this.certificates = certificates;
  }

  /**
   * The authority of the folder, made there when there is none. Processes that begin at the same time find the same one.
   * @throws NsmError of files that do not fit together or are open to others; Error of the file system.
   */
  static open(folder: string, domain: string = defaultDomain): Authority {
    makePrivateFolder(folder);
    const [keyPath, certificatePath] = [join(folder, keyFile), join(folder, certificateFile)];
    if (!isThere(keyPath)) {
      if (isThere(certificatePath))
        throw new NsmError(
          'conflict',
          `${folder} has ${certificateFile} without ${keyFile}: put its key there, or remove it`,
        );
      createPrivately(keyPath, keyToPem(newKey()));
    }
    if ((lstatSync(keyPath).mode & 0o077) !== 0)
      throw new NsmError('privilege', `others may read ${keyPath}: chmod 600 it`);
    const key = keyFromPem(readFileSync(keyPath));
    if (!isThere(certificatePath)) createPrivately(certificatePath, toPem([certificateOf(key, domain)]));
    return Authority.of(key, certificatesFromPem(readFileSync(certificatePath, 'utf8')), domain, folder);
  }

  /**
   * @param domain where the first certificate names none.
   * @param from where they are from, for messages.
   * @throws NsmError `conflict` when the first certificate is not that of the key.
   */
  static of(key: KeyObject, certificates: Certificates, domain: string, from: string): Authority {
    const [own] = certificates;
    if (!own.checkPrivateKey(key))
      throw new NsmError(
        'conflict',
        `the first certificate of ${certificateFile} in ${from} is not that of ${keyFile}`,
      );
    return new Authority(domainOf(own) ?? domain, key, certificates);
  }

  /** Whether there is an authority in the folder. */
  static isIn(folder: string): boolean {
    return isThere(join(folder, keyFile));
  }

  /** For tests and where nothing can be written: of this process alone. */
  static inMemory(domain: string = defaultDomain): Authority {
    const key = newKey();
    return new Authority(domain, key, [certificateOf(key, domain)]);
  }

  /** PEM of the key and of the certificates, for who keeps them elsewhere than in a folder. */
  toPem(): { readonly key: string; readonly certificates: string } {
    return { key: keyToPem(this.#key), certificates: toPem(this.certificates) };
  }

  get certificate(): X509Certificate {
    return this.certificates[0];
  }

  /** A certificate that begins a little ago. @param lifeMs from now. */
  issue(publicKey: KeyObject, { kind, name }: Omit<Identity, 'domain'>, lifeMs: number): X509Certificate {
    const now = Date.now();
    return makeCertificate({
      publicKey,
      uri: spiffeIdOf({ domain: this.domain, kind, name }),
      commonName: name,
      notBefore: new Date(now - clockToleranceMs),
      notAfter: new Date(now + lifeMs),
      signer: { key: this.#key, certificate: this.certificate },
    });
  }
}

function certificateOf(key: KeyObject, domain: string): X509Certificate {
  if (!isTrustDomain(domain))
    throw new NsmError('invalid', `trust domain ${domain}: up to 255 of a-z, 0-9, '.', '_' and '-'`);
  const now = Date.now();
  return makeCertificate({
    publicKey: createPublicKey(key),
    uri: `spiffe://${domain}`,
    commonName: `Network Service Mesh ${domain}`,
    notBefore: new Date(now - clockToleranceMs),
    notAfter: new Date(now + authorityMs),
    signer: { key },
  });
}

/** The trust domain that an authority's certificate names, if it names one. */
export function domainOf({ subjectAltName = '' }: X509Certificate): string | undefined {
  const [uri = ''] = urisOf(subjectAltName);
  const [, domain] = /^spiffe:\/\/([^/]+)\/?$/.exec(uri) ?? [];
  return domain !== undefined && isTrustDomain(domain) ? domain : undefined;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
