// Facts of the manager's certificate, of the authorities it believes, and of how the others take it.
import type { X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type admin, urisOf } from '@nsm/api';
import { certificatesFromPem } from '@nsm/pki';
import type { CheckContext, ManagerAnswers } from './check-context.js';

export interface CertificateFacts extends ManagerAnswers {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Undefined for plain text. */
  readonly own: OwnCertificate | undefined;
  /** What is wrong with the signatures; ''. */
  readonly chainFault: string;
  readonly authorities: readonly { readonly subject: string; readonly validTo: Date }[];
  readonly peers: readonly Pick<admin.PeerCheck, 'manager' | 'error' | 'code'>[];
  /** Of the mesh's own authority, where it is on this machine and can be seen. */
  readonly keyFile: { readonly path: string; readonly mode: number } | undefined;
}

export interface OwnCertificate {
  readonly uris: readonly string[];
  readonly validFrom: Date;
  readonly validTo: Date;
}

export async function readCertificateFacts(context: CheckContext): Promise<CertificateFacts> {
  const answers = await context.manager();
  const { status } = answers;
  const chain = certificatesOf(status.certificateChain);
  const authorities = certificatesOf(status.certificateAuthorities);
  const [own] = chain;
  return {
    ...answers,
    now: Date.now(),
    own: own && {
      uris: urisOf(own.subjectAltName ?? ''),
      validFrom: new Date(own.validFrom),
      validTo: new Date(own.validTo),
    },
    chainFault: own ? chainFaultOf(chain, authorities) : '',
    authorities: authorities.map(({ subject, validTo }) => ({
      subject: subject.replaceAll('\n', ', '),
      validTo: new Date(validTo),
    })),
    peers: await context.peers(),
    keyFile: keyFileOf(status.certificateSource),
  };
}

/** Plain text has none. */
function certificatesOf(pem: string): readonly X509Certificate[] {
  return pem === '' ? [] : certificatesFromPem(pem);
}

/** Follows the signatures; `chain` begins with the own certificate. */
function chainFaultOf(chain: readonly X509Certificate[], authorities: readonly X509Certificate[]): string {
  let [certificate, ...others] = chain;
  for (; certificate; [certificate, ...others] = others) {
    const signed: X509Certificate = certificate;
    const signs = (issuer: X509Certificate): boolean =>
      signed.checkIssued(issuer) && signed.verify(issuer.publicKey);
    if (authorities.some(signs)) return '';
    const [next] = others;
    if (!next) return `no authority that this manager believes has signed ${nameOf(signed)}`;
    if (!signs(next)) return `${nameOf(next)} follows ${nameOf(signed)} in the file, and has not signed it`;
  }
  return 'there is no certificate';
}

function nameOf({ subjectAltName, subject }: X509Certificate): string {
  return subjectAltName ?? subject;
}

/** The source is the folder of the authority where there is one. */
function keyFileOf(source: string): CertificateFacts['keyFile'] {
  const folder = /^the authority in (\/.*)$/.exec(source)?.[1];
  const path = join(folder ?? '', 'ca.key');
  const stat = folder === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  return stat && { path, mode: stat.mode };
}
